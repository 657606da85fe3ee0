using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using Distributed.Core;

namespace Distributed.Worker.Data;

/// <summary>
/// A file of unsigned bytes in the IDX format (Y. LeCun, "The MNIST database of handwritten digits"): two zero bytes,
/// the type, the rank, each dimension as a big-endian 32-bit number, then the values, last dimension fastest.
/// Compressed by gzip (RFC 1952, one member) or not, told apart by the first two bytes. Nothing is allocated and no more
/// is decompressed than a checked header allows.
/// </summary>
internal sealed class IdxFile
{
    /// <summary>The most values a file may hold: 1 GiB.</summary>
    public const int MaxValues = 1 << 30;

    private const byte UnsignedByte = 0x08;

    // No deflate stream expands further (zlib, "Technical Details": 1032:1).
    private const long MaxExpansion = 1032;

    private IdxFile(string name, int[] dimensions, byte[] values) => (Name, Dimensions, Values) = (name, dimensions, values);

    public string Name { get; }

    /// <summary>The sizes, slowest first; each at least 1, their product at most <see cref="MaxValues"/>.</summary>
    public IReadOnlyList<int> Dimensions { get; }

    /// <summary>The values, as many as the product of <see cref="Dimensions"/>.</summary>
    public ReadOnlyMemory<byte> Values { get; }

    /// <summary>Where in the (decompressed) file the first value lies.</summary>
    public int HeaderBytes => HeaderBytesOf(Dimensions.Count);

    /// <summary>Reads the file at <paramref name="path"/>; <paramref name="rank"/> dimensions are expected.</summary>
    /// <exception cref="DataException">It cannot be read or is malformed: what was found, at which byte.</exception>
    public static IdxFile Read(string path, int rank)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return Read(stream, path, rank);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a seekable stream to its end; <paramref name="name"/> stands for it in messages.</summary>
    /// <exception cref="DataException">It is malformed: what was found, at which byte of the decompressed content.</exception>
    public static IdxFile Read(Stream stream, string name, int rank)
    {
        var start = stream.Position;
        Span<byte> magic = stackalloc byte[2];
        var compressed = stream.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic is [0x1f, 0x8b];
        stream.Position = start;
        var stored = stream.Length - start;
        var checksum = new Crc32();
        try
        {
            if (!compressed) return ReadContent(stream, name, rank, stored, checksum);
            using var content = new GZipStream(stream, CompressionMode.Decompress, leaveOpen: true);
            var file = ReadContent(content, name, rank, stored * MaxExpansion, checksum);
            CheckTrailer(stream, name, checksum.GetCurrentHashAsUInt32(), (uint)(file.HeaderBytes + file.Values.Length));
            return file;
        }
        catch (InvalidDataException e)
        {
            throw new DataException($"{name}: the gzip stream is damaged: {e.Message}", e);
        }
    }

    private static IdxFile ReadContent(Stream content, string name, int rank, long atMost, Crc32 checksum)
    {
        Span<byte> header = stackalloc byte[HeaderBytesOf(rank)];
        var read = content.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        if (read < header.Length) throw Malformed(name, read, $"the file ends within its header of {header.Length} bytes");
        var dimensions = ReadHeader(header, name, rank);

        var size = dimensions.Aggregate(1, (product, dimension) => product * dimension);
        if (header.Length + (long)size > atMost)
            throw Malformed(name, HeaderBytesOf(0), $"the header announces {size} values, the file has room for at most {atMost - header.Length}");
        var values = new byte[size];
        read = content.ReadAtLeast(values, size, throwOnEndOfStream: false);
        if (read < size) throw Malformed(name, header.Length + read, $"the header announces {size} values, the file ends after {read}");
        if (content.ReadByte() >= 0) throw Malformed(name, header.Length + (long)size, $"the header announces {size} values, the file goes on after them");
        checksum.Append(header);
        checksum.Append(values);
        return new IdxFile(name, dimensions, values);
    }

    // GZipStream does not notice a trailer that was cut off.
    private static void CheckTrailer(Stream archive, string name, uint checksum, uint size)
    {
        Span<byte> trailer = stackalloc byte[8];
        archive.Position = archive.Length - trailer.Length;
        archive.ReadExactly(trailer);
        if (BinaryPrimitives.ReadUInt32LittleEndian(trailer) != checksum || BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]) != size)
            throw new DataException($"{name}, byte {archive.Length - trailer.Length}: the last 8 bytes are not the gzip checksum and size of the content before them.");
    }

    private static int[] ReadHeader(ReadOnlySpan<byte> header, string name, int rank)
    {
        if (header is not [0, 0, ..]) throw Malformed(name, 0, $"an IDX file starts with 0x0000, this one with 0x{header[0]:x2}{header[1]:x2}");
        if (header[2] != UnsignedByte) throw Malformed(name, 2, $"the type is 0x{header[2]:x2}; only 0x08 (unsigned byte) is allowed");
        if (header[3] != rank) throw Malformed(name, 3, $"there are {header[3]} dimensions; expected {rank}");

        var dimensions = new int[rank];
        var product = 1L;
        for (var i = 0; i < rank; i++)
        {
            var offset = HeaderBytesOf(i);
            var dimension = BinaryPrimitives.ReadUInt32BigEndian(header[offset..]);
            // Both factors are at most 2^30 or 2^32 here, so the product cannot overflow before it is refused.
            product *= dimension;
            if (product is < 1 or > MaxValues)
                throw Malformed(name, offset, $"dimension {i} is {dimension}; each must be at least 1 and the product at most {MaxValues}");
            dimensions[i] = (int)dimension;
        }
        return dimensions;
    }

    private static int HeaderBytesOf(int rank) => 4 + sizeof(int) * rank;

    private static DataException Malformed(string name, long offset, string what) => new($"{name}, byte {offset}: {what}.");
}
