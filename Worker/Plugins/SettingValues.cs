using System.Globalization;
using Distributed.Jobs;

namespace Distributed.Worker.Plugins;

internal static class SettingValues
{
    private const string WholeNumber = "a whole number", AnyNumber = "a number";

    // For each type of a parameter, what it takes and how a setting is converted to it; null if it is not.
    private static readonly Dictionary<Type, (string Words, Func<SettingValue, object?> Convert)> _scalars = new()
    {
        [typeof(bool)] = ("true or false", value => (value as SettingValue.Flag)?.Value),
        [typeof(int)] = (WholeNumber, value => value is SettingValue.Whole n && n.Value == (int)n.Value ? (int)n.Value : null),
        [typeof(long)] = (WholeNumber, value => (value as SettingValue.Whole)?.Value),
        [typeof(float)] = (AnyNumber, value => value is SettingValue.Whole n ? n.Value : (float?)(value as SettingValue.Number)?.Value),
        [typeof(double)] = (AnyNumber, value => value is SettingValue.Whole n ? n.Value : (value as SettingValue.Number)?.Value),
        [typeof(string)] = ("a text", value => (value as SettingValue.Text)?.Value),
    };

    // Types of the items of lists, in the order in which they are tried.
    private static readonly Type[] _items = [typeof(int), typeof(long), typeof(double), typeof(float)];

    /// <summary>Whether a job can set a parameter of this type.</summary>
    public static bool Takes(Type type) => _scalars.ContainsKey(Plain(type)) || ItemOf(type) is not null;

    /// <summary>What a parameter of this type takes, for messages.</summary>
    public static string Words(Type type) =>
        _scalars.TryGetValue(Plain(type), out var scalar) ? scalar.Words : $"a list of {_scalars[ItemOf(type)!].Words["a ".Length..]}s";

    public static string Shown(SettingValue value) => value switch
    {
        SettingValue.Flag flag => flag.Value ? "true" : "false",
        SettingValue.Whole whole => whole.Value.ToString(CultureInfo.InvariantCulture),
        SettingValue.Number number => number.Value.ToString("R", CultureInfo.InvariantCulture),
        SettingValue.Text text => $"the text \"{text.Value}\"",
        SettingValue.Wholes => "a list of whole numbers",
        _ => "a list of numbers",
    };

    /// <returns>False if a parameter of this type does not take the value.</returns>
    public static bool TryConvert(SettingValue value, Type type, out object? converted) => (converted = value switch
    {
        SettingValue.Wholes list => List(ItemOf(type), [.. list.Values.Select(number => new SettingValue.Whole(number))]),
        SettingValue.Numbers list => List(ItemOf(type), [.. list.Values.Select(number => new SettingValue.Number(number))]),
        _ => _scalars.TryGetValue(Plain(type), out var scalar) ? scalar.Convert(value) : null,
    }) is not null;

    private static Array? List(Type? item, IReadOnlyList<SettingValue> values)
    {
        if (item is null) return null;
        var list = Array.CreateInstance(item, values.Count);
        foreach (var (i, value) in values.Index())
        {
            if (_scalars[item].Convert(value) is not { } converted) return null;
            list.SetValue(converted, i);
        }
        return list;
    }

    private static Type? ItemOf(Type type) =>
        type == typeof(object) ? null : Array.Find(_items, item => type.IsAssignableFrom(item.MakeArrayType()));

    private static Type Plain(Type type) => Nullable.GetUnderlyingType(type) ?? type;
}
