using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;

namespace Distributed.Jobs;

/// <summary>A whole number, or a word that stands for one.</summary>
internal readonly record struct Amount(int? Number, string Word)
{
    public static implicit operator Amount(int number) => new(number, "");
}

internal static class Allow
{
    private const int MaxText = 4096;

    public static Leaf<bool> Flag { get; } = new("true or false", TryFlag, _ => true, FormatFlag);
    public static Leaf<int> Width { get; } = Whole(1, 16_384);
    public static Leaf<double> Positive { get; } = Number("greater than 0", x => x > 0);
    public static Leaf<double> NonNegative { get; } = Number("of at least 0", x => x >= 0);
    public static Leaf<double> BelowOne { get; } = Number("from 0 to below 1", x => x is >= 0 and < 1);

    public static Leaf<bool> Off(string reason) => new Leaf<bool>("false", TryFlag, on => !on, FormatFlag).Because(reason);
    public static Leaf<int> Zero(string reason) => new Leaf<int>("0", TryWhole, value => value == 0, FormatWhole).Because(reason);

    public static Leaf<T> Null<T>(string reason) => new Leaf<T>(
        "null",
        (scalar, out value) =>
        {
            value = default!;
            return scalar.IsNull;
        },
        value => value is null,
        _ => "null").Because(reason);

    /// <summary>Whole numbers in a range, whose upper end <paramref name="maxIs"/> may explain.</summary>
    public static Leaf<T> Whole<T>(T min, T max, string? maxIs = null) where T : struct, IBinaryInteger<T> => new(
        $"a whole number from {min} to {max}{(maxIs is null ? "" : $" ({maxIs})")}",
        TryWhole,
        value => value >= min && value <= max,
        FormatWhole);

    public static Leaf<double> Number(string range, Predicate<double> contains) => new(
        $"a number {range}",
        TryNumber,
        value => double.IsFinite(value) && contains(value),
        value => (value + 0.0).ToString("R", CultureInfo.InvariantCulture)); // -0 equals 0, so it is written the same.

    public static Leaf<string> Text(string what) => Quoted($"{what} of 1 to {MaxText} characters on one line", IsText);

    public static Leaf<string> Printable(string what, int maxLength) =>
        Quoted($"{what}, of 1 to {maxLength} printable characters", text => text.Length > 0 && IsPrintable(text, maxLength));

    /// <summary>Texts that are written in quotes.</summary>
    public static Leaf<string> Quoted(string what, Predicate<string> contains) => new(
        what,
        (scalar, out value) =>
        {
            value = scalar.Text;
            return !scalar.IsNull;
        },
        contains,
        Quote);

    /// <summary>Texts that need no quotes.</summary>
    public static Leaf<string> Plain(string what, Predicate<string> contains) => new(
        what,
        (scalar, out value) =>
        {
            value = scalar.Text;
            return true;
        },
        contains,
        text => text);

    public static Leaf<string> Like(string what, Regex form) => Plain(what, form.IsMatch);

    public static Leaf<string> OneOf(params string[] words) =>
        Plain(words.Length == 1 ? words[0] : $"{string.Join(", ", words.SkipLast(1))} or {words[^1]}", words.Contains);

    public static Leaf<string?> TextOrNull(Leaf<string> text, string orNull = "null") => new(
        $"{text.Text}, or {orNull}",
        (scalar, out value) =>
        {
            value = scalar.IsNull ? null : scalar.Text;
            return true;
        },
        value => value is null || text.Contains(value),
        value => value is null ? "null" : text.Format(value));

    public static Leaf<T?> OrNull<T>(Leaf<T> leaf) where T : struct => new(
        $"{leaf.Text}, or null",
        (scalar, out value) =>
        {
            value = leaf.TryRead(scalar, out var present) ? present : null;
            return value is not null || scalar.IsNull;
        },
        value => value is not { } present || leaf.Contains(present),
        value => value is { } present ? leaf.Format(present) : "null");

    public static Leaf<Amount> OrWords(Leaf<int> leaf, params string[] words) => new(
        string.Join(", or ", [leaf.Text, .. words]),
        (scalar, out value) =>
        {
            value = leaf.TryRead(scalar, out var number) ? number : new Amount(null, scalar.Text);
            return true;
        },
        value => value.Number is { } number ? leaf.Contains(number) : words.Contains(value.Word, StringComparer.Ordinal),
        value => value.Number is { } number ? leaf.Format(number) : value.Word);

    public static LeafList<T> ListOf<T>(Leaf<T> item, int minCount, int maxCount) => new(item, minCount, maxCount);

    public static bool IsText(string text) =>
        text.Length is > 0 and <= MaxText && !text.Any(c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\ufeff');

    public static bool IsPrintable(string text, int maxLength) => text.Length <= maxLength && Shown.IsPrintable(text);

    public static string Quote(string text) => $"\"{text
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\t", "\\t", StringComparison.Ordinal)}\"";

    private static bool TryFlag(YamlScalar scalar, out bool value)
    {
        value = scalar is { Quoted: false, Text: "true" };
        return value || scalar is { Quoted: false, Text: "false" };
    }

    private static string FormatFlag(bool value) => value ? "true" : "false";

    private static bool TryWhole<T>(YamlScalar scalar, out T value) where T : struct, IBinaryInteger<T>
    {
        value = default;
        return !scalar.Quoted && T.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
    }

    private static string FormatWhole<T>(T value) where T : struct, IBinaryInteger<T> => value.ToString(null, CultureInfo.InvariantCulture);

    private static bool TryNumber(YamlScalar scalar, out double value)
    {
        const NumberStyles Form = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        value = 0;
        return !scalar.Quoted && double.TryParse(scalar.Text, Form, CultureInfo.InvariantCulture, out value);
    }
}

/// <summary>The values that a key may have: how to read, write and describe them.</summary>
internal abstract class Allowed<T>
{
    public abstract string Text { get; } // The allowed values, to end a sentence: "a number greater than 0".

    public abstract T Read(YamlNode node, string path);

    /// <summary>Appends the text after "key:", with its line ends.</summary>
    public abstract void Write(StringBuilder yaml, T value, string path, int depth);

    protected JobException Refused(YamlNode node, string path) => node.Fault($"{path} is {node.Found}; allowed: {Text}");
}

/// <summary>Reads the form of a scalar; the range is checked separately.</summary>
internal delegate bool ScalarReader<T>(YamlScalar scalar, out T value);

internal sealed class Leaf<T>(string text, ScalarReader<T> read, Predicate<T> contains, Func<T, string> format) : Allowed<T>
{
    public override string Text => text;

    public override T Read(YamlNode node, string path) =>
        node is YamlScalar scalar && read(scalar, out var value) && contains(value) ? value : throw Refused(node, path);

    public override void Write(StringBuilder yaml, T value, string path, int depth) =>
        yaml.Append(' ').Append(Checked(value, path)).Append('\n');

    public string Checked(T value, string path) => contains(value)
        ? format(value)
        : throw new JobException($"the job: {path} is {Shown.Of(format(value))}; allowed: {text}");

    public bool TryRead(YamlScalar scalar, out T value) => read(scalar, out value);
    public bool Contains(T value) => contains(value);
    public string Format(T value) => format(value);

    /// <summary>The same values, with the reason why there are no others.</summary>
    public Leaf<T> Because(string reason) => new($"{text}, because {reason}", read, contains, format);
}

internal sealed class LeafList<T>(Leaf<T> item, int minCount, int maxCount) : Allowed<ValueList<T>>
{
    public override string Text => $"a list of {Counts}, each {item.Text}";

    public override ValueList<T> Read(YamlNode node, string path) => node is YamlList list && Contains(list.Items.Count)
        ? [.. list.Items.Select((entry, i) => item.Read(entry, $"{path}[{i}]"))]
        : throw Refused(node, path);

    public override void Write(StringBuilder yaml, ValueList<T> value, string path, int depth)
    {
        if (!Contains(value.Count)) throw new JobException($"the job: {path} is a list of {value.Count} entries; allowed: {Text}");
        yaml.Append(" [").AppendJoin(", ", value.Select((entry, i) => item.Checked(entry, $"{path}[{i}]"))).Append("]\n");
    }

    private string Counts => minCount < maxCount ? $"{minCount} to {maxCount} entries" : minCount == 1 ? "1 entry" : $"{minCount} entries";

    private bool Contains(int count) => count >= minCount && count <= maxCount;
}
