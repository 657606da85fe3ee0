using System.Reflection;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Plugins;

/// <summary>Calls a constructor with arguments by name: from the job's settings, else from the data, else the default.</summary>
internal static class Construction
{
    /// <param name="path">Names the settings in messages; a setting is for the parameter of its name in camelCase.</param>
    /// <param name="known">What the data provides, by the names of parameters.</param>
    public static object Create(Type type, string path, IReadOnlyList<Setting> settings, IEnumerable<KeyValuePair<string, object>> known)
    {
        if (type.GetConstructors() is not [var constructor])
            throw new PluginException($"{type.Name} has {type.GetConstructors().Length} public constructors; allowed: one");
        var parameters = constructor.GetParameters();
        List<string> allowed = [.. parameters.Where(parameter => SettingValues.Takes(parameter.ParameterType)).Select(KeyOf)];
        if (settings.FirstOrDefault(setting => !allowed.Contains(setting.Name)) is { } unknown)
        {
            throw new PluginException($"{path}.{unknown.Name} is not a setting of {type.Name}; "
                + $"allowed: {(allowed.Count == 0 ? "no settings" : string.Join(", ", allowed))}");
        }
        var given = settings.ToDictionary(setting => setting.Name, setting => setting.Value, StringComparer.Ordinal);
        var found = known.ToDictionary(StringComparer.Ordinal);
        var arguments = Array.ConvertAll(parameters, parameter => Argument(type, path, parameter, given, found));
        try
        {
            return constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, arguments, null);
        }
        // The user's code may throw anything.
        catch (Exception error)
        {
            var cause = error is TypeInitializationException { InnerException: { } inner } ? inner : error;
            throw new PluginException($"{type.Name} could not be made: {PluginLibrary.Line(cause)}", error);
        }
    }

    private static object? Argument(
        Type type, string path, ParameterInfo parameter, Dictionary<string, SettingValue> given, Dictionary<string, object> known)
    {
        var (key, kind) = (KeyOf(parameter), parameter.ParameterType);
        if (given.TryGetValue(key, out var value))
        {
            return SettingValues.TryConvert(value, kind, out var argument)
                ? argument
                : throw new PluginException($"{path}.{key} is {SettingValues.Shown(value)}; {type.Name} takes {SettingValues.Words(kind)}");
        }
        if (Known(parameter, known) is { } fact) return fact;
        if (parameter.HasDefaultValue) return parameter.DefaultValue is DBNull ? Type.Missing : parameter.DefaultValue;
        throw new PluginException(SettingValues.Takes(kind)
            ? $"{path}.{key} is missing, which {type.Name} needs: {SettingValues.Words(kind)} "
                + $"(the data gives {string.Join(", ", known.Keys)})"
            : $"the constructor of {type.Name} takes {parameter.Name}, a {kind.Name}, which no job can give; "
                + "allowed: numbers, bool, string, lists of numbers, with a default or without");
    }

    // A size is found by the parameter's name and converts to any kind of number; anything else is found by its type.
    private static object? Known(ParameterInfo parameter, Dictionary<string, object> known) =>
        known.TryGetValue(parameter.Name!, out var named) && named is int size
            && SettingValues.TryConvert(new SettingValue.Whole(size), parameter.ParameterType, out var number)
            ? number
            : known.Values.FirstOrDefault(value => value is not int && parameter.ParameterType.IsInstanceOfType(value));

    // The key of hiddenWidth is hidden-width.
    private static string KeyOf(ParameterInfo parameter) => string.Concat(parameter.Name!.Select((c, i) =>
        char.IsAsciiLetterUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : $"{c}"));
}
