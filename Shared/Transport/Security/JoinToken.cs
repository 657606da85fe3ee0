using System.Security.Cryptography;

namespace Distributed.Transport.Security;

// The shared secret of the processes of a cluster without certificates: 32 random bytes. A process proves that it holds the token
// (JoinHandshake) without sending it.
internal sealed class JoinToken
{
    public const int Length = 32;

    private readonly byte[] _bytes;

    private JoinToken(byte[] bytes) => _bytes = bytes;

    internal ReadOnlySpan<byte> Bytes => _bytes;

    public static JoinToken Create() => new(RandomNumberGenerator.GetBytes(Length));

    public static JoinToken? Parse(string text)
    {
        var bytes = new byte[Length];
        return Convert.TryFromBase64String(text.Trim(), bytes, out var count) && count == Length ? new(bytes) : null;
    }

    public string ToText() => Convert.ToBase64String(_bytes);

    // A token must not appear in a log.
    public override string ToString() => nameof(JoinToken);
}
