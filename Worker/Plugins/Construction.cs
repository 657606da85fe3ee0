using System.Reflection;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Plugins;

/// <summary>Calls the constructor of a class with arguments by name: what the job says, else what the data says, else the default.</summary>
internal static class Construction
{
    /// <param name="settings">What the job says, each for the parameter of its name in camelCase.</param>
    /// <param name="known">What the data says, by the name of a parameter.</param>
    /// <exception cref="PluginException">The arguments do not fit, or the constructor throws.</exception>
    public static object Create(Type type, string path, IReadOnlyList<Setting> settings, IEnumerable<KeyValuePair<string, object>> known)
    {
        if (type.GetConstructors() is not [var constructor])
            throw new PluginException($"{type.Name} has {type.GetConstructors().Length} public constructors; allowed: one");
        var parameters = constructor.GetParameters();
        foreach (var setting in settings)
        {
            if (parameters.Any(parameter => KeyOf(parameter) == setting.Name && SettingValues.Takes(parameter.ParameterType))) continue;
            throw new PluginException($"{path}.{setting.Name} is nothing that the constructor of {type.Name} takes; allowed: {Allowed(parameters)}");
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
        var key = KeyOf(parameter);
        if (given.TryGetValue(key, out var value))
        {
            return SettingValues.TryConvert(value, parameter.ParameterType, out var argument) ? argument
                : throw new PluginException($"{path}.{key} is {SettingValues.Shown(value)}; {type.Name} takes {SettingValues.Words(parameter.ParameterType)}");
        }
        if (Known(parameter, known) is { } fact) return fact;
        if (parameter.HasDefaultValue) return parameter.DefaultValue is DBNull ? Type.Missing : parameter.DefaultValue;
        throw new PluginException(SettingValues.Takes(parameter.ParameterType)
            ? $"{path}.{key} is missing, which {type.Name} needs: {SettingValues.Words(parameter.ParameterType)} (the data gives {string.Join(", ", known.Keys)})"
            : $"the constructor of {type.Name} takes {parameter.Name}, a {parameter.ParameterType.Name}, which no job can give; allowed: numbers, bool, string, lists of numbers, with a default or without");
    }

    /// <summary>A size goes by the name of the parameter, and may be any kind of number; anything else goes by its type.</summary>
    private static object? Known(ParameterInfo parameter, Dictionary<string, object> known)
    {
        if (known.TryGetValue(parameter.Name!, out var named) && named is int size && SettingValues.TryConvert(new SettingValue.Whole(size), parameter.ParameterType, out var number)) return number;
        return known.Values.FirstOrDefault(value => value is not int && parameter.ParameterType.IsInstanceOfType(value));
    }

    private static string Allowed(IReadOnlyList<ParameterInfo> parameters)
    {
        List<string> names = [.. parameters.Where(parameter => SettingValues.Takes(parameter.ParameterType)).Select(KeyOf)];
        return names.Count == 0 ? "no settings" : string.Join(", ", names);
    }

    /// <summary>The key of a parameter in a job: hidden-width of hiddenWidth.</summary>
    private static string KeyOf(ParameterInfo parameter) =>
        string.Concat(parameter.Name!.Select((c, i) => char.IsAsciiLetterUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : $"{c}"));
}
