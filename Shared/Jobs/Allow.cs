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

/// <summary>The kinds of value that keys hold.</summary>
internal static class Allow
{
    private const int MaxText = 4096;

    public static Leaf<bool> Flag { get; } = new("true or false", TryFlag, _ => true, FormatFlag);

    /// <summary>Only false, and why.</summary>
    public static Leaf<bool> Off(string reason) => new Leaf<bool>("false", TryFlag, on => !on, FormatFlag).Because(reason);

    /// <summary>Only null, and why.</summary>
    public static Leaf<T?> None<T>(string reason) where T : struct =>
        new Leaf<T?>("null", (scalar, out value) => { value = null; return scalar.IsNull; }, value => value is null, _ => "null").Because(reason);

    /// <summary>Whole numbers in a range, whose upper end <paramref name="maxIs"/> may explain.</summary>
    public static Leaf<T> Whole<T>(T min, T max, string? maxIs = null) where T : struct, IBinaryInteger<T> => new(
        $"a whole number from {min} to {max}{(maxIs is null ? "" : $" ({maxIs})")}",
        TryWhole,
        value => value >= min && value <= max,
        FormatWhole);

    public static Leaf<int> Width { get; } = Whole(1, 16_384);

    /// <summary>Numbers greater than 0.</summary>
    public static Leaf<double> Positive { get; } = Number("greater than 0", x => x > 0);

    /// <summary>Numbers of at least 0.</summary>
    public static Leaf<double> NonNegative { get; } = Number("of at least 0", x => x >= 0);

    public static Leaf<double> BelowOne { get; } = Number("from 0 to below 1", x => x is >= 0 and < 1);

    /// <summary>Only 0, and why.</summary>
    public static Leaf<int> Zero(string reason) => new($"0, because {reason}", TryWhole, value => value == 0, FormatWhole);

    public static Leaf<double> Number(string range, Predicate<double> contains) => new(
        $"a number {range}",
        TryNumber,
        value => double.IsFinite(value) && contains(value),
        value => (value + 0.0).ToString("R", CultureInfo.InvariantCulture)); // -0 equals 0, so it is written the same.

    /// <summary>Texts on one line, written in quotes.</summary>
    public static Leaf<string> Text(string what) => Quoted($"{what} of 1 to {MaxText} characters on one line", IsText);

    /// <summary>Texts, written in quotes.</summary>
    public static Leaf<string> Quoted(string what, Predicate<string> contains) => new(
        what,
        (scalar, out value) =>
        {
            value = scalar.Text;
            return !scalar.IsNull;
        },
        contains,
        InQuotes);

    /// <summary>Texts, or null for none.</summary>
    public static Leaf<string?> TextOrNull(Leaf<string> text) => new(
        $"{text.Text}, or null",
        (scalar, out value) =>
        {
            value = scalar.IsNull ? null : scalar.Text;
            return true;
        },
        value => value is null || text.Contains(value),
        value => value is null ? "null" : text.Format(value));

    /// <summary>No text, and why.</summary>
    public static Leaf<string?> NoText(string reason) =>
        new Leaf<string?>("null", (scalar, out value) => { value = null; return scalar.IsNull; }, value => value is null, value => value ?? "null").Because(reason);

    /// <summary>Whether a text has a length that is allowed, and is on one line.</summary>
    public static bool IsText(string text) => text.Length is > 0 and <= MaxText && !text.Any(c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\ufeff');

    public static string InQuotes(string text) =>
        $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal)}\"";

    public static Leaf<string> OneOf(params string[] words) => new(
        words.Length == 1 ? words[0] : $"{string.Join(", ", words.SkipLast(1))} or {words[^1]}",
        (scalar, out value) =>
        {
            value = scalar.Text;
            return true;
        },
        words.Contains,
        word => word);

    /// <summary>Values, or null for none.</summary>
    public static Leaf<T?> OrNull<T>(Leaf<T> leaf) where T : struct => Or(leaf, "null", scalar => scalar.IsNull);

    /// <summary>Whole numbers, or one of these words.</summary>
    public static Leaf<Amount> OrWords(Leaf<int> leaf, params string[] words) => new(
        string.Join(", or ", [leaf.Text, .. words]),
        (scalar, out value) =>
        {
            value = leaf.TryRead(scalar, out var number) ? number : new Amount(null, scalar.Text);
            return true;
        },
        value => value.Number is { } number ? leaf.Contains(number) : words.Contains(value.Word, StringComparer.Ordinal),
        value => value.Number is { } number ? leaf.Format(number) : value.Word);

    /// <summary>Printable texts, which are written in quotes.</summary>
    public static Leaf<string> Text(string what, int maxLength) => new(
        $"{what}, of 1 to {maxLength} printable characters",
        (scalar, out value) => (value = scalar.Text).Length > 0,
        text => text.Length > 0 && IsPrintable(text, maxLength),
        InQuotes);

    /// <summary>Texts of one form, which need no quotes.</summary>
    public static Leaf<string> Like(string what, Regex form) => new(
        what,
        (scalar, out value) => (value = scalar.Text).Length > 0,
        form.IsMatch,
        text => text);

    /// <summary>Whether a text has nothing in it that is not seen, and no more characters than that.</summary>
    public static bool IsPrintable(string text, int maxLength) => text.Length <= maxLength && text.EnumerateRunes().All(rune => Rune.GetUnicodeCategory(rune) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse) && rune != Rune.ReplacementChar);

    public static LeafList<T> ListOf<T>(Leaf<T> item, int minCount, int maxCount) => new(item, minCount, maxCount);

    private static Leaf<T?> Or<T>(Leaf<T> leaf, string word, Predicate<YamlScalar> isWord) where T : struct => new(
        $"{leaf.Text}, or {word}",
        (scalar, out value) =>
        {
            value = leaf.TryRead(scalar, out var present) ? present : null;
            return value is not null || isWord(scalar);
        },
        value => value is not { } present || leaf.Contains(present),
        value => value is { } present ? leaf.Format(present) : word);

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
