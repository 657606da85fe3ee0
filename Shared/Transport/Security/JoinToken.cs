using System.Security.Cryptography;

namespace Distributed.Transport.Security;

/// <summary>
/// The secret that the processes of a cluster share where they have no certificates: 32 random bytes. A process proves that it holds it
/// (<see cref="JoinHandshake"/>); the token itself never leaves the process.
/// </summary>
internal sealed class JoinToken
{
    /// <summary>Bytes of a token.</summary>
    public const int Length = 32;

    private readonly byte[] _bytes;

    private JoinToken(byte[] bytes) => _bytes = bytes;

    internal ReadOnlySpan<byte> Bytes => _bytes;

    public static JoinToken Create() => new(RandomNumberGenerator.GetBytes(Length));

    /// <summary>Reads what <see cref="ToText"/> returned; null where the text is no token.</summary>
    public static JoinToken? Parse(string text)
    {
        var bytes = new byte[Length];
        return Convert.TryFromBase64String(text.Trim(), bytes, out var count) && count == Length ? new(bytes) : null;
    }

    /// <summary>The token as a file holds it: base64.</summary>
    public string ToText() => Convert.ToBase64String(_bytes);

    /// <summary>Names no secret: a token must not get into a log.</summary>
    public override string ToString() => nameof(JoinToken);
}
