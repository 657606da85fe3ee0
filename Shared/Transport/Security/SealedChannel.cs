using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Distributed.Transport.Security;

// Encrypts and authenticates the messages of one connection (AES-256-GCM). Each direction has its own key and numbers its messages, so
// that a changed, missing, repeated or reflected message is rejected. Each direction is used by one thread at a time.
internal sealed class SealedChannel(byte[] sends, byte[] receives) : IDisposable
{
    public const int KeyLength = 32;

    /// <summary>Bytes that sealing adds to a message.</summary>
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

    /// <summary>Decrypts a message; null if it is not the next one of the other end.</summary>
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
