using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Distributed.Jobs.State;

/// <summary>
/// Reads and writes the safetensors format: the header's length (unsigned 64-bit, little-endian), a JSON header, the tensors' bytes.
/// Source: the format section of https://github.com/huggingface/safetensors.
/// </summary>
internal static class Safetensors
{
    /// <summary>The longest header that is read or written, in bytes; the reference implementation has the same limit.</summary>
    public const int MaxHeaderLength = 100_000_000;

    private const int PrefixLength = sizeof(ulong);

    /// <summary>Bytes an element of each known dtype takes.</summary>
    public static FrozenDictionary<string, int> ElementSizes { get; } = new Dictionary<string, int>
    {
        ["BOOL"] = 1,
        ["U8"] = 1,
        ["I8"] = 1,
        ["F8_E5M2"] = 1,
        ["F8_E4M3"] = 1,
        ["I16"] = 2,
        ["U16"] = 2,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["I32"] = 4,
        ["U32"] = 4,
        ["F32"] = 4,
        ["C64"] = 8,
        ["F64"] = 8,
        ["I64"] = 8,
        ["U64"] = 8,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>
    /// Writes <paramref name="tensors"/> in the given order and <paramref name="metadata"/> in ordinal order of its keys,
    /// so that equal content gives equal bytes. The tensors' bytes begin at a multiple of 8.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// Two tensors of one name, an unknown dtype, data that does not fit the shape, a name that is no Unicode text,
    /// or a header above <see cref="MaxHeaderLength"/>.
    /// </exception>
    public static void Write(
        Stream stream, IReadOnlyCollection<TensorData> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteParts(stream, SafetensorsHeader.Write(tensors, metadata), tensors);

    private static void WriteParts(Stream stream, byte[] header, IReadOnlyCollection<TensorData> tensors)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);
        foreach (var tensor in tensors)
            stream.Write(tensor.Data.Span);
    }

    /// <summary>The bytes that <see cref="Write"/> writes; at most 2 GB.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Write"/>.</exception>
    public static byte[] ToBytes(IReadOnlyCollection<TensorData> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var header = SafetensorsHeader.Write(tensors, metadata);
        // A stream that grows would hold it up to three times, and a state may take most of the memory that there is.
        var bytes = GC.AllocateUninitializedArray<byte>(checked((int)(PrefixLength + header.Length + tensors.Sum(tensor => (long)tensor.Data.Length))));
        using var stream = new MemoryStream(bytes);
        WriteParts(stream, header, tensors);
        return bytes;
    }

    /// <summary>Reads a whole file that is in memory. The tensors are views of <paramref name="file"/>: nothing is copied.</summary>
    /// <exception cref="SafetensorsException">The bytes are not exactly one well-formed file.</exception>
    public static SafetensorsContent Read(ReadOnlyMemory<byte> file)
    {
        var headerLength = HeaderLength(file.Span[..Math.Min(PrefixLength, file.Length)], file.Length);
        var data = file[(PrefixLength + headerLength)..];
        var header = SafetensorsHeader.Read(file.Slice(PrefixLength, headerLength), data.Length);
        return header.With(entry => data.Slice((int)entry.Begin, (int)entry.Length));
    }

    /// <summary>
    /// Reads from the stream's position to its end. No allocation is larger than what the stream holds.
    /// A tensor may take up to 2 GB, the file more.
    /// </summary>
    /// <param name="stream">Seekable, so that sizes can be checked before anything is allocated.</param>
    /// <exception cref="SafetensorsException">The bytes are not exactly one well-formed file, or a tensor is above 2 GB.</exception>
    public static SafetensorsContent Read(Stream stream) => ReadHeader(stream).With(entry => ReadTensor(stream, entry));

    /// <summary>As <see cref="Read(Stream)"/>, but hands over one tensor at a time, so that no two need be in memory together.</summary>
    /// <param name="stream">Seekable, so that sizes can be checked before anything is allocated.</param>
    /// <param name="action">Called for each tensor, in the order of their data in the file.</param>
    /// <exception cref="SafetensorsException">The bytes are not exactly one well-formed file, or a tensor is above 2 GB.</exception>
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
