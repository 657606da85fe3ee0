using System.Globalization;
using System.Text;

namespace Distributed.Jobs;

/// <summary>Makes untrusted text safe for a terminal, a log or a message: it stays on its line, without control sequences and without
/// characters that change the order or the look of those around them.</summary>
internal static class Shown
{
    private const int MaxLength = 60;
    private const string Cut = "...";

    /// <summary>One line of at most 60 characters, with a question mark for each line break or hidden character.</summary>
    public static string Of(string text)
    {
        var start = text.Length <= MaxLength ? text : text[..MaxLength];
        // A line break within a name or a value is a mistake that its user should see.
        var visible = InFull(string.Concat(start.Select(c => char.IsControl(c) ? '?' : c)));
        var clean = string.Concat(visible.Select(c => char.IsSurrogate(c) ? '?' : c));
        return text.Length <= MaxLength ? clean : clean + Cut;
    }

    /// <summary>One line of any length, with a blank for each line break and a question mark for each hidden character.</summary>
    public static string InFull(string text) => InFull(text, int.MaxValue);

    /// <summary>As above, cut after <paramref name="length"/> characters, where three dots follow.</summary>
    public static string InFull(string text, int length)
    {
        if (text.Length <= length && !text.AsSpan().ContainsAnyExceptInRange(' ', '~')) return text;
        var shown = new StringBuilder(Math.Min(text.Length, length));
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length + rune.Utf16SequenceLength > length) return shown.Append(Cut).ToString();
            shown.Append(IsBlank(rune) ? " " : IsHidden(rune) ? "?" : rune.ToString());
        }
        return shown.ToString();
    }

    /// <summary>Several lines. All but the first are indented, so that no text can forge a line of a log.</summary>
    public static string Indented(string text, int length)
    {
        var kept = text.Length <= length ? text : text[..length] + Cut;
        return string.Join("\n    ", kept.ReplaceLineEndings("\n").Split('\n').Select(line => InFull(line)));
    }

    public static bool IsPrintable(string text) =>
        text.EnumerateRunes().All(rune => !IsBlank(rune) && !IsHidden(rune) && rune != Rune.ReplacementChar);

    private static bool IsBlank(Rune rune) => rune.Value is '\t' or '\n' or '\v' or '\f' or '\r' or 0x85 or 0x2028 or 0x2029;

    // A surrogate without its other half is enumerated as U+FFFD, which is visible.
    private static bool IsHidden(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate;
}

internal static class Spelling
{
    private const int MaxDistance = 2;

    /// <summary>The name nearest to a mistyped one, ignoring case, if at most two edits and less than half of it differ.</summary>
    public static string? Nearest(string typed, IEnumerable<string> names) => names
        .Where(name => Math.Abs(name.Length - typed.Length) <= MaxDistance)
        .Select(name => (Name: name, Distance: Distance(typed, name)))
        .Where(candidate => candidate.Distance <= MaxDistance && 2 * candidate.Distance < candidate.Name.Length)
        .OrderBy(candidate => candidate.Distance)
        .Select(candidate => candidate.Name)
        .FirstOrDefault();

    /// <summary>The Levenshtein distance (Wagner and Fischer 1974), one row at a time.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }
        return row[b.Length];
    }
}
