using System.Globalization;
using System.Text;

namespace Distributed.Jobs;

/// <summary>
/// Untrusted text as it may stand on a terminal, in a log or in a message: on one line, without anything that a terminal obeys, and without
/// characters that change the order or the look of those around them.
/// </summary>
internal static class Shown
{
    private const int MaxLength = 60;
    private const string Cut = "...";

    /// <summary>On one line of at most 60 characters; what is no character to be seen stands as a question mark.</summary>
    public static string Of(string text)
    {
        var start = text.Length <= MaxLength ? text : text[..MaxLength];
        // A line break within a name or a value is a mistake that its user should see.
        var clean = string.Concat(InFull(string.Concat(start.Select(c => char.IsControl(c) ? '?' : c))).Select(c => char.IsSurrogate(c) ? '?' : c));
        return text.Length <= MaxLength ? clean : clean + Cut;
    }

    /// <summary>On one line, whatever its length: a line break is a blank, what is no character to be seen a question mark.</summary>
    public static string InFull(string text) => InFull(text, int.MaxValue);

    /// <summary>On one line of bounded length.</summary>
    /// <param name="length">Characters that are kept; what follows is cut off, which three dots say.</param>
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

    /// <summary>Likewise, but on several lines, of which those behind the first are indented: no text can pass for a line of another's.</summary>
    /// <param name="length">Characters that are kept at most.</param>
    public static string Indented(string text, int length)
    {
        var kept = text.Length <= length ? text : text[..length] + Cut;
        return string.Join("\n    ", kept.ReplaceLineEndings("\n").Split('\n').Select(line => InFull(line)));
    }

    private static bool IsBlank(Rune rune) => rune.Value is '\t' or '\n' or '\v' or '\f' or '\r' or 0x85 or 0x2028 or 0x2029;

    // A surrogate without its other half is enumerated as U+FFFD, which is seen.
    private static bool IsHidden(Rune rune) => Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate;
}
