using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Distributed.Transport.Security;

/// <summary>
/// Encrypts and authenticates the messages of one connection (AES-256-GCM): each direction has a key of its own and numbers its messages, so
/// that one which is changed, left out, repeated or sent back is noticed. Each direction is used by one thread at a time.
/// </summary>
internal sealed class SealedChannel(byte[] sends, byte[] receives) : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes by which a sealed message is longer.</summary>
    public const int Overhead = 16;

    private const int NonceLength = 12;

    private readonly AesGcm _sends = new(sends, Overhead);
    private readonly AesGcm _receives = new(receives, Overhead);
    private ulong _sent;
    private ulong _received;

    public byte[] Seal(ReadOnlySpan<byte> message)
    {
        var box = new byte[message.Length + Overhead];
        _sends.Encrypt(Nonce(_sent++), message, box.AsSpan(0, message.Length), box.AsSpan(message.Length));
        return box;
    }

    /// <summary>The message in what was received; null where the other end has not sent this, here and now.</summary>
    public byte[]? Open(ReadOnlySpan<byte> box)
    {
        if (box.Length < Overhead) return null;
        var message = new byte[box.Length - Overhead];
        try
        {
            _receives.Decrypt(Nonce(_received++), box[..^Overhead], box[^Overhead..], message);
            return message;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _sends.Dispose();
        _receives.Dispose();
    }

    private static byte[] Nonce(ulong number)
    {
        var nonce = new byte[NonceLength];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, number);
        return nonce;
    }
}
