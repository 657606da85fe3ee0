using System.Security.Cryptography;
using System.Text;

namespace Distributed.Transport.Security;

/// <summary>The result of a message from the other end.</summary>
internal readonly record struct JoinStep(byte[]? Reply, SealedChannel? Channel, Refusal? Refusal);

// A mutual challenge-response: both processes prove that they hold a JoinToken without sending it. Three messages: (1) the
// connecting end sends magic and nonce; (2) the accepting end sends magic, nonce, and its proof over both nonces' messages; (3) the
// connecting end sends magic and its proof over (1) and (2). A proof is an HMAC-SHA256 under the token; a label distinguishes the two
// ends, so that a proof cannot be reflected. Token and transcript give a fresh key for each direction (HKDF). No sockets and no clock.
internal sealed class JoinHandshake
{
    public const int MaxLength = MagicLength + NonceLength + ProofLength;

    // Part of each proof: a proof for the control plane is invalid on a link.
    public const string Control = "control", Links = "links";

    private const int MagicLength = 8, NonceLength = 32, ProofLength = 32;

    // The last byte is the version.
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

    /// <summary>The first message of the connecting end; null at the accepting end.</summary>
    public byte[]? Opening => _isInitiator ? _first : null;

    /// <summary>Length of the next message to receive.</summary>
    public int NextLength => _isInitiator ? MaxLength : MagicLength + NonceLength;

    public static JoinHandshake Connecting(JoinToken token, string plane) => new(token, plane, isInitiator: true);
    public static JoinHandshake Accepting(JoinToken token, string plane) => new(token, plane, isInitiator: false);

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
        var expected = Proof("accepts", [.. _first, .. message[..^ProofLength]]);
        var isProved = CryptographicOperations.FixedTimeEquals(message[^ProofLength..], expected);
        _second = message.ToArray();
        _isOver = true;
        // Sent even if the other end is refused, so that it can refuse this end and log why.
        byte[] proof = [.. _magic, .. Proof("connects", [.. _first, .. _second])];
        return isProved ? new(proof, Channel(), null) : new(proof, null, Refusal.Untrusted);
    }

    private JoinStep ReceiveProof(ReadOnlySpan<byte> message)
    {
        if (message.Length != MagicLength + ProofLength) return Refused(Refusal.Garbage);
        if (!CryptographicOperations.FixedTimeEquals(message[MagicLength..], Proof("connects", [.. _first, .. _second])))
            return Refused(Refusal.Untrusted);
        _isOver = true;
        return new(null, Channel(), null);
    }

    private JoinStep Refused(Refusal refusal)
    {
        _isOver = true;
        return new(null, null, refusal);
    }

    private byte[] Proof(string role, byte[] transcript) =>
        HMACSHA256.HashData(_token.Bytes, [.. Encoding.ASCII.GetBytes($"distributed join, {_plane}: {role}\0"), .. transcript]);

    private SealedChannel Channel()
    {
        var (connects, accepts) = (Key("connects"), Key("accepts"));
        return _isInitiator ? new(connects, accepts) : new(accepts, connects);
    }

    private byte[] Key(string role)
    {
        var (salt, info) = (SHA256.HashData([.. _first, .. _second]), Encoding.ASCII.GetBytes($"distributed seal, {_plane}: {role}"));
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, _token.Bytes.ToArray(), SealedChannel.KeyLength, salt, info);
    }
}
