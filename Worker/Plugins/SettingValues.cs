using System.Globalization;
using Distributed.Jobs;

namespace Distributed.Worker.Plugins;

/// <summary>From the values of a job to those of C#.</summary>
internal static class SettingValues
{
    private static readonly Dictionary<Type, string> _words = new()
    {
        [typeof(bool)] = "true or false",
        [typeof(int)] = "a whole number",
        [typeof(long)] = "a whole number",
        [typeof(float)] = "a number",
        [typeof(double)] = "a number",
        [typeof(string)] = "a text",
    };

    // In the order in which they are tried.
    private static readonly Type[] _lists = [typeof(int[]), typeof(long[]), typeof(double[]), typeof(float[])];

    /// <summary>Whether a parameter of a type can be given in a job.</summary>
    public static bool Takes(Type type) => _words.ContainsKey(Plain(type)) || ListFor(type) is not null;

    /// <summary>What a parameter of a type takes, to follow a verb.</summary>
    public static string Words(Type type) => _words.GetValueOrDefault(Plain(type))
        ?? (ListFor(type) is { } list && Whole(list) ? "a list of whole numbers" : "a list of numbers");

    /// <summary>What a setting is, to follow "is".</summary>
    public static string Shown(SettingValue value) => value switch
    {
        SettingValue.Flag flag => flag.Value ? "true" : "false",
        SettingValue.Whole whole => whole.Value.ToString(CultureInfo.InvariantCulture),
        SettingValue.Number number => number.Value.ToString("R", CultureInfo.InvariantCulture),
        SettingValue.Text text => $"the text \"{text.Value}\"",
        SettingValue.Wholes => "a list of whole numbers",
        _ => "a list of numbers",
    };

    /// <summary>A value as a parameter of a type takes it.</summary>
    /// <returns>False: it does not take it.</returns>
    public static bool TryConvert(SettingValue value, Type type, out object? converted) => (converted = (value, Plain(type)) switch
    {
        (SettingValue.Flag flag, var t) when t == typeof(bool) => (object)flag.Value,
        (SettingValue.Text text, var t) when t == typeof(string) => text.Value,
        (SettingValue.Whole { Value: >= int.MinValue and <= int.MaxValue } whole, var t) when t == typeof(int) => (int)whole.Value,
        (SettingValue.Whole whole, var t) when t == typeof(long) => whole.Value,
        (SettingValue.Whole whole, var t) when t == typeof(double) => (double)whole.Value,
        (SettingValue.Whole whole, var t) when t == typeof(float) => (float)whole.Value,
        (SettingValue.Number number, var t) when t == typeof(double) => number.Value,
        (SettingValue.Number number, var t) when t == typeof(float) => (float)number.Value,
        (SettingValue.Wholes wholes, var t) => List(ListFor(t), wholes.Values),
        (SettingValue.Numbers numbers, var t) => List(ListFor(t), numbers.Values),
        _ => null,
    }) is not null;

    private static Array? List(Type? list, IReadOnlyList<long> numbers) =>
        list == typeof(int[]) ? numbers.All(n => n is >= int.MinValue and <= int.MaxValue) ? numbers.Select(n => (int)n).ToArray() : null
        : list == typeof(long[]) ? numbers.ToArray()
        : List(list, [.. numbers.Select(n => (double)n)]);

    private static Array? List(Type? list, IReadOnlyList<double> numbers) =>
        list == typeof(double[]) ? numbers.ToArray() : list == typeof(float[]) ? numbers.Select(n => (float)n).ToArray() : null;

    private static Type? ListFor(Type type) => type == typeof(object) ? null : _lists.FirstOrDefault(type.IsAssignableFrom);

    private static bool Whole(Type list) => list == typeof(int[]) || list == typeof(long[]);

    private static Type Plain(Type type) => Nullable.GetUnderlyingType(type) ?? type;
}
