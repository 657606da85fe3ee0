using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Distributed.Transport.Pipes;

// The greeting, payload of the first frame of a connection: token (16 bytes), length of the name (1 byte), name, and, if memory is
// offered, boot id (16), process (4), descriptor (4), secret (16), size (8); little-endian. The answer is a frame of the same kind with
// one byte: 1 if the offered memory was opened, else 0.
internal sealed record LinkHello(ReadOnlyMemory<byte> Token, string Name, LinkMemoryOffer? Memory)
{
    public const int TokenLength = 16;
    public const int MaxNameLength = 63;
    public const int MaxLength = NameOffset + MaxNameLength + OfferLength;
    private const int NameOffset = TokenLength + 1;
    private const int OfferLength = 48;

    public byte[] ToBytes()
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(Token.Length, TokenLength, nameof(Token));
        if (!IsName(Name))
            throw new ArgumentException($"'{Name}' is not a name; allowed: 1 to {MaxNameLength} letters, digits, '.', '_' and '-'");
        byte[] hello = [.. Token.Span, (byte)Name.Length, .. Encoding.ASCII.GetBytes(Name), .. new byte[Memory is null ? 0 : OfferLength]];
        if (Memory is not { } memory) return hello;
        var offer = hello.AsSpan(^OfferLength..);
        memory.Boot.TryWriteBytes(offer);
        BinaryPrimitives.WriteInt32LittleEndian(offer[16..], memory.Process);
        BinaryPrimitives.WriteInt32LittleEndian(offer[20..], memory.Descriptor);
        BinaryPrimitives.WriteUInt128LittleEndian(offer[24..], memory.Secret);
        BinaryPrimitives.WriteInt64LittleEndian(offer[40..], memory.Bytes);
        return hello;
    }

    /// <summary>Parses a greeting; null if it is malformed.</summary>
    public static LinkHello? Read(ReadOnlySpan<byte> hello)
    {
        if (hello.Length < NameOffset || hello[TokenLength] > MaxNameLength || hello.Length < NameOffset + hello[TokenLength])
            return null;
        var name = Encoding.ASCII.GetString(hello.Slice(NameOffset, hello[TokenLength]));
        var offer = hello[(NameOffset + name.Length)..];
        if (!IsName(name) || offer.Length is not 0 and not OfferLength) return null;
        return new(hello[..TokenLength].ToArray(), name, offer.IsEmpty ? null : new LinkMemoryOffer(
            new(offer[..16]),
            BinaryPrimitives.ReadInt32LittleEndian(offer[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(offer[20..]),
            BinaryPrimitives.ReadUInt128LittleEndian(offer[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(offer[40..])));
    }

    public bool HasToken(ReadOnlySpan<byte> token) => CryptographicOperations.FixedTimeEquals(Token.Span, token);

    private static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');
}
