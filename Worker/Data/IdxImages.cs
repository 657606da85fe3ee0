using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>Pairs of IDX files: grey images (count × height × width) and labels (count).</summary>
internal static class IdxImages
{
    public static DataSource Source { get; } = DataSource.Files<IdxData>(Load);

    /// <summary>Reads both files; pixels 0..255 are scaled to 0..1.</summary>
    public static ImageSet Read(string imagesPath, string labelsPath, int classes)
    {
        var labels = IdxFile.Read(labelsPath, rank: 1);
        var images = IdxFile.Read(imagesPath, rank: 3);
        if (images.Dimensions[0] != labels.Dimensions[0])
        {
            throw new DataException($"{images.Name} has {images.Dimensions[0]} images, {labels.Name} {labels.Dimensions[0]} labels "
                + "(byte 4 of each); they must agree.");
        }
        if (ImageSet.IndexOfLabelFrom(classes, labels.Values.Span) is var wrong and >= 0)
        {
            throw new DataException($"{labels.Name}, byte {labels.HeaderBytes + wrong}: label {labels.Values.Span[wrong]}; "
                + $"allowed are 0 to {classes - 1}.");
        }
        return new ImageSet(images.Values, labels.Values, new(1, images.Dimensions[1], images.Dimensions[2], classes, 1f / byte.MaxValue));
    }

    // A user's own files: the largest label determines the number of classes, which are called by their numbers.
    private static DataSet Load(IdxData data, Job job, DataOptions options)
    {
        var all = Read(options.Locate(data.Path), options.Locate(data.Labels), ImageFormat.MaxClasses);
        var test = data.TestPath is { } path
            ? Read(options.Locate(path), options.Locate(data.TestLabels!), ImageFormat.MaxClasses)
            : null;
        if (test is not null && test.Format != all.Format)
        {
            throw new DataException($"{data.TestPath} has images of {test.Height}x{test.Width}, {data.Path} of {all.Height}x{all.Width}; "
                + "they must agree.");
        }
        var classes = 1 + Math.Max(all.LargestLabel, test?.LargestLabel ?? 0);
        var set = Split.DataSetOf(
            data, job.Seed, all.WithClasses(classes), test?.WithClasses(classes), static (set, samples) => set.Select(samples));
        return set with { Classes = DataSource.Numbers(classes) };
    }
}

// A file of unsigned bytes in the IDX format (Y. LeCun, "The MNIST database of handwritten digits"): two zero bytes, the type, the
// rank, each dimension as a big-endian 32-bit number, then the values, last dimension fastest. The first two bytes tell whether the file
// is compressed by gzip (RFC 1952, one member). The checked header bounds what is allocated and decompressed.
/// <param name="Dimensions">The sizes, slowest first; each at least 1, their product at most <see cref="MaxValues"/>.</param>
internal sealed record IdxFile(string Name, IReadOnlyList<int> Dimensions, ReadOnlyMemory<byte> Values)
{
    public const int MaxValues = 1 << 30;
    private const byte UnsignedByte = 0x08;

    // No deflate stream expands further (zlib, "Technical Details": 1032:1).
    private const long MaxExpansion = 1032;

    public int HeaderBytes => HeaderBytesOf(Dimensions.Count);

    /// <param name="rank">The expected number of dimensions.</param>
    public static IdxFile Read(string path, int rank) => UserFile.Read(path, () =>
    {
        using var stream = File.OpenRead(path);
        return Read(stream, path, rank);
    });

    /// <summary>Reads a seekable stream to its end. Byte numbers in messages count in the decompressed content.</summary>
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
        var announced = $"the header announces {size} values, the file";
        if (header.Length + (long)size > atMost)
            throw Malformed(name, HeaderBytesOf(0), $"{announced} has room for at most {atMost - header.Length}");
        var values = new byte[size];
        read = content.ReadAtLeast(values, size, throwOnEndOfStream: false);
        if (read < size) throw Malformed(name, header.Length + read, $"{announced} ends after {read}");
        if (content.ReadByte() >= 0) throw Malformed(name, header.Length + (long)size, $"{announced} goes on after them");
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
        if (BinaryPrimitives.ReadUInt32LittleEndian(trailer) == checksum && BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]) == size)
            return;
        throw Malformed(name, archive.Length - trailer.Length,
            "the last 8 bytes are not the gzip checksum and size of the content before them");
    }

    private static int[] ReadHeader(ReadOnlySpan<byte> header, string name, int rank)
    {
        if (header is not [0, 0, ..])
            throw Malformed(name, 0, $"an IDX file starts with 0x0000, this one with 0x{header[0]:x2}{header[1]:x2}");
        if (header[2] != UnsignedByte) throw Malformed(name, 2, $"the type is 0x{header[2]:x2}; only 0x08 (unsigned byte) is allowed");
        if (header[3] != rank) throw Malformed(name, 3, $"there are {header[3]} dimensions; expected {rank}");

        var dimensions = new int[rank];
        var product = 1L;
        for (var i = 0; i < rank; i++)
        {
            var offset = HeaderBytesOf(i);
            var dimension = BinaryPrimitives.ReadUInt32BigEndian(header[offset..]);
            // Both factors are at most 2^30 or 2^32 here, so the product cannot overflow before this check.
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
