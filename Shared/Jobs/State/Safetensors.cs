using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Distributed.Jobs.State;

/// <summary>A tensor with a name: row-major, little-endian elements.</summary>
/// <param name="Name">Unique in its file; not <c>__metadata__</c>.</param>
/// <param name="DType">A key of <see cref="Safetensors.ElementSizes"/>, such as <c>F32</c> or <c>I64</c>.</param>
/// <param name="Shape">Sizes from 0, outermost first; empty for a scalar.</param>
internal sealed record TensorData(string Name, string DType, ImmutableArray<long> Shape, ReadOnlyMemory<byte> Data);

/// <param name="Tensors">In the order of their data in the file.</param>
internal sealed record SafetensorsContent(ImmutableArray<TensorData> Tensors, ImmutableSortedDictionary<string, string> Metadata);

/// <summary>The bytes are not a well-formed safetensors file. The message says what was found, where, and what is allowed.</summary>
internal sealed class SafetensorsException(string message, Exception? cause = null) : FormatException(message, cause);

/// <summary>Reads and writes the safetensors format: the header's length (unsigned 64-bit, little-endian), a JSON header, the tensors'
/// bytes. Source: the format section of https://github.com/huggingface/safetensors.</summary>
internal static class Safetensors
{
    public const int MaxHeaderLength = 100_000_000; // Bytes of a header; the reference implementation has the same limit.

    private const int PrefixLength = sizeof(ulong);

    /// <summary>Bytes of an element of each known dtype.</summary>
    public static FrozenDictionary<string, int> ElementSizes { get; } = new (int Size, string[] DTypes)[]
    {
        (1, ["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3"]),
        (2, ["I16", "U16", "F16", "BF16"]),
        (4, ["I32", "U32", "F32"]),
        (8, ["C64", "F64", "I64", "U64"]),
    }.SelectMany(group => group.DTypes, (group, dtype) => (dtype, group.Size))
        .ToFrozenDictionary(entry => entry.dtype, entry => entry.Size, StringComparer.Ordinal);

    /// <summary>Writes the tensors in the given order and the metadata in ordinal order of its keys, so that equal content gives equal
    /// bytes. The data begins at a multiple of 8.</summary>
    public static void Write(
        Stream stream, IReadOnlyCollection<TensorData> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteParts(stream, SafetensorsHeader.Write(tensors, metadata), tensors);

    private static void WriteParts(Stream stream, byte[] header, IReadOnlyCollection<TensorData> tensors)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);
        foreach (var tensor in tensors) stream.Write(tensor.Data.Span);
    }

    /// <summary>The bytes that <see cref="Write"/> writes; at most 2 GB.</summary>
    public static byte[] ToBytes(IReadOnlyCollection<TensorData> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var header = SafetensorsHeader.Write(tensors, metadata);
        // A growing stream would need up to three times the memory, and a state may take most of it.
        var length = checked((int)(PrefixLength + header.Length + tensors.Sum(tensor => (long)tensor.Data.Length)));
        var bytes = GC.AllocateUninitializedArray<byte>(length);
        using var stream = new MemoryStream(bytes);
        WriteParts(stream, header, tensors);
        return bytes;
    }

    /// <summary>Reads a whole file in memory. The tensors are views of it, not copies.</summary>
    public static SafetensorsContent Read(ReadOnlyMemory<byte> file)
    {
        var headerLength = HeaderLength(file.Span[..Math.Min(PrefixLength, file.Length)], file.Length);
        var data = file[(PrefixLength + headerLength)..];
        var header = SafetensorsHeader.Read(file.Slice(PrefixLength, headerLength), data.Length);
        return header.With(entry => data.Slice((int)entry.Begin, (int)entry.Length));
    }

    /// <summary>Reads to the end of a stream, which is seekable, so that sizes are checked before anything is allocated.</summary>
    public static SafetensorsContent Read(Stream stream) => ReadHeader(stream).With(entry => ReadTensor(stream, entry));

    /// <summary>As <see cref="Read(Stream)"/>, but passes on one tensor at a time, so that no two need to be in memory together.</summary>
    public static ImmutableSortedDictionary<string, string> ForEach(Stream stream, Action<TensorData> action)
    {
        ArgumentNullException.ThrowIfNull(action);
        var header = ReadHeader(stream);
        foreach (var entry in header.Entries) action(new(entry.Name, entry.DType, entry.Shape, ReadTensor(stream, entry)));
        return header.Metadata;
    }

    private static SafetensorsHeader ReadHeader(Stream stream)
    {
        var length = stream.Length - stream.Position;
        var prefix = ReadExactly(stream, Math.Min(PrefixLength, length));
        var headerLength = HeaderLength(prefix, length);
        return SafetensorsHeader.Read(ReadExactly(stream, headerLength), length - PrefixLength - headerLength);
    }

    private static byte[] ReadTensor(Stream stream, SafetensorsHeader.Entry entry) => entry.Length <= Array.MaxLength
        ? ReadExactly(stream, entry.Length)
        : throw new SafetensorsException(
            $"Tensor '{entry.Name}' takes {entry.Length} bytes; at most {Array.MaxLength} can be read.");

    private static int HeaderLength(ReadOnlySpan<byte> prefix, long fileLength)
    {
        if (prefix.Length < PrefixLength)
            throw new SafetensorsException(
                $"The file has {fileLength} bytes; a safetensors file begins with {PrefixLength} bytes that give its header's length.");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxHeaderLength)
            throw new SafetensorsException(
                $"The header's length in the first {PrefixLength} bytes is {length}; at most {MaxHeaderLength} is allowed. "
                + "Is this a safetensors file?");
        if (length > (ulong)(fileLength - PrefixLength))
            throw new SafetensorsException(
                $"The header should take {length} bytes but {fileLength - PrefixLength} follow its length: the file is cut short.");
        return (int)length;
    }

    private static byte[] ReadExactly(Stream stream, long length)
    {
        var bytes = GC.AllocateUninitializedArray<byte>((int)length);
        try
        {
            stream.ReadExactly(bytes);
        }
        catch (EndOfStreamException e)
        {
            throw new SafetensorsException("The file became shorter while it was read.", e);
        }
        return bytes;
    }
}
