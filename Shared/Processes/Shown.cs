namespace Distributed.Shared.Processes;

/// <summary>Untrusted text as it may stand in a message.</summary>
public static class Shown
{
    private const int MaxLength = 60;

    /// <summary>On one line of at most 60 characters; what is no character to be seen stands as a question mark.</summary>
    public static string Of(string text)
    {
        var start = text.Length <= MaxLength ? text : text[..MaxLength];
        var clean = string.Concat(start.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
        return text.Length <= MaxLength ? clean : clean + "...";
    }

    /// <summary>On one line, whatever its length.</summary>
    public static string InFull(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));
}
