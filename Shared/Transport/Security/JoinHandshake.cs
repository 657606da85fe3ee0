using System.Security.Cryptography;
using System.Text;

namespace Distributed.Transport.Security;

/// <summary>What follows from a message of the other end.</summary>
/// <param name="Reply">To be sent; null for nothing.</param>
/// <param name="Channel">Present once both ends have proved themselves.</param>
/// <param name="Refusal">Why the other end is not believed; null while it may be.</param>
internal readonly record struct JoinStep(byte[]? Reply, SealedChannel? Channel, Refusal? Refusal);

/// <summary>
/// Challenge and response of two processes, each of which proves to the other that it holds a <see cref="JoinToken"/> without sending it.
/// Three messages: (1) magic and nonce of who connects; (2) magic, nonce of who accepts, and its proof over (1) and that nonce; (3) magic and
/// the proof of who connects over (1) and (2). A proof is an HMAC-SHA256 under the token; the two ends' differ by a label, so that neither can
/// be sent back. From the token and both nonces each end derives a key for each direction (HKDF), which nobody has used before. Values in,
/// values out: no sockets and no clock.
/// </summary>
internal sealed class JoinHandshake
{
    /// <summary>Bytes of the longest message.</summary>
    public const int MaxLength = MagicLength + NonceLength + ProofLength;

    /// <summary>What a proof is for: one of the control plane proves nothing on a link.</summary>
    public const string Control = "control", Links = "links";

    private const int MagicLength = 8, NonceLength = 32, ProofLength = 32;

    // The last byte is the version of these messages.
    private static readonly byte[] _magic = [.. "DISTJOI"u8, 1];

    private readonly JoinToken _token;
    private readonly string _plane;
    private readonly bool _isInitiator;
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(NonceLength);
    private byte[] _first = [];
    private byte[] _second = [];
    private bool _isOver;

    private JoinHandshake(JoinToken token, string plane, bool isInitiator)
    {
        (_token, _plane, _isInitiator) = (token, plane, isInitiator);
        if (isInitiator) _first = [.. _magic, .. _nonce];
    }

    /// <summary>The message to begin with; null for the end that waits for one.</summary>
    public byte[]? Opening => _isInitiator ? _first : null;

    /// <summary>Bytes of the message that comes next.</summary>
    public int NextLength => _isInitiator ? MaxLength : MagicLength + NonceLength;

    /// <param name="plane">See <see cref="Control"/>.</param>
    public static JoinHandshake Connecting(JoinToken token, string plane) => new(token, plane, isInitiator: true);

    /// <param name="plane">See <see cref="Control"/>.</param>
    public static JoinHandshake Accepting(JoinToken token, string plane) => new(token, plane, isInitiator: false);

    /// <summary>Takes the next message of the other end.</summary>
    /// <exception cref="InvalidOperationException">The handshake is over.</exception>
    public JoinStep Receive(ReadOnlySpan<byte> message)
    {
        if (_isOver) throw new InvalidOperationException("the handshake is over");
        if (!message.StartsWith(_magic)) return Refused(Refusal.Garbage);
        if (_isInitiator) return ReceiveAnswer(message);
        return _first.Length == 0 ? ReceiveOpening(message) : ReceiveProof(message);
    }

    private JoinStep ReceiveOpening(ReadOnlySpan<byte> message)
    {
        if (message.Length != MagicLength + NonceLength) return Refused(Refusal.Garbage);
        _first = message.ToArray();
        byte[] challenge = [.. _magic, .. _nonce];
        _second = [.. challenge, .. Proof("accepts", [.. _first, .. challenge])];
        return new(_second, null, null);
    }

    private JoinStep ReceiveAnswer(ReadOnlySpan<byte> message)
    {
        if (message.Length != MaxLength) return Refused(Refusal.Garbage);
        var isBelieved = CryptographicOperations.FixedTimeEquals(message[^ProofLength..], Proof("accepts", [.. _first, .. message[..^ProofLength]]));
        _second = message.ToArray();
        _isOver = true;
        // Also where the other end is not believed: so it learns why, and tells.
        byte[] proof = [.. _magic, .. Proof("connects", [.. _first, .. _second])];
        return isBelieved ? new(proof, Channel(), null) : new(proof, null, Refusal.Untrusted);
    }

    private JoinStep ReceiveProof(ReadOnlySpan<byte> message)
    {
        if (message.Length != MagicLength + ProofLength) return Refused(Refusal.Garbage);
        if (!CryptographicOperations.FixedTimeEquals(message[MagicLength..], Proof("connects", [.. _first, .. _second]))) return Refused(Refusal.Untrusted);
        _isOver = true;
        return new(null, Channel(), null);
    }

    private JoinStep Refused(Refusal refusal)
    {
        _isOver = true;
        return new(null, null, refusal);
    }

    private byte[] Proof(string role, byte[] transcript) => HMACSHA256.HashData(_token.Bytes, [.. Encoding.ASCII.GetBytes($"distributed join, {_plane}: {role}\0"), .. transcript]);

    private SealedChannel Channel()
    {
        var (connects, accepts) = (Key("connects"), Key("accepts"));
        return _isInitiator ? new(connects, accepts) : new(accepts, connects);
    }

    private byte[] Key(string role) => HKDF.DeriveKey(
        HashAlgorithmName.SHA256, _token.Bytes.ToArray(), SealedChannel.KeyLength, salt: SHA256.HashData([.. _first, .. _second]), info: Encoding.ASCII.GetBytes($"distributed seal, {_plane}: {role}"));
}
