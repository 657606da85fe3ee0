using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Distributed.Core;
using MessagePack;

namespace Distributed.Jobs.Data;

/// <summary>A file of a data set, as it goes over a link.</summary>
/// <param name="Name">Folders and the file's own name, with <c>/</c> between; none of them leads upwards.</param>
/// <param name="Sha256">Its SHA-256, lower-case hexadecimal.</param>
internal sealed record DataFile(string Name, long Bytes, string Sha256);

/// <summary>
/// The files of a data set that goes from one machine to another, in the order in which they follow it. It comes from
/// elsewhere, and its names become paths: what is not as it should be is refused before anything is written.
/// </summary>
internal sealed record DataManifest
{
    /// <summary>Bytes that a manifest may have.</summary>
    public const int MaxLength = 64 << 20;

    public const int KeyLength = 2 * SHA256.HashSizeInBytes;

    /// <summary>Files that it may list.</summary>
    public const int MaxFiles = 500_000;

    /// <summary>Characters that a whole name may have.</summary>
    public const int MaxName = 1024;

    // What a file's own name may have on the file systems in use.
    private const int MaxSegmentBytes = 255;

    private DataManifest(IReadOnlyList<DataFile> files) => (Files, Bytes) = (files, files.Sum(file => file.Bytes));

    /// <summary>The files, in ascending order of their names' characters.</summary>
    public IReadOnlyList<DataFile> Files { get; }

    /// <summary>Bytes of all files.</summary>
    public long Bytes { get; }

    /// <summary>Of these files, in whatever order.</summary>
    /// <exception cref="DataException">A name cannot be sent, or there are too many.</exception>
    public static DataManifest Of(IEnumerable<DataFile> files) => Checked([.. files.OrderBy(file => file.Name, StringComparer.Ordinal)]);

    /// <summary>By what a data set is known: the SHA-256 of its manifest, lower-case hexadecimal.</summary>
    public static string KeyOf(ReadOnlySpan<byte> manifest) => Convert.ToHexStringLower(SHA256.HashData(manifest));

    public static bool IsKey(string text) => text.Length == KeyLength && text.All(char.IsAsciiHexDigitLower);

    /// <summary>MessagePack: an array of name, length and SHA-256 in turn.</summary>
    /// <exception cref="DataException">It has more than <see cref="MaxLength"/> bytes.</exception>
    public byte[] ToBytes()
    {
        var bytes = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(bytes);
        writer.WriteArrayHeader(3 * Files.Count);
        foreach (var file in Files)
        {
            writer.Write(file.Name);
            writer.Write(file.Bytes);
            writer.Write(Convert.FromHexString(file.Sha256));
        }
        writer.Flush();
        return bytes.WrittenCount <= MaxLength
            ? bytes.WrittenSpan.ToArray()
            : throw new DataException($"the list of the {Files.Count} files has {bytes.WrittenCount} bytes; at most {MaxLength} can be sent");
    }

    /// <summary>Reads what <see cref="ToBytes"/> has written.</summary>
    /// <exception cref="DataException">It is no manifest, or has names that lead elsewhere.</exception>
    public static DataManifest Parse(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > MaxLength) throw new DataException($"the list of files has {bytes.Length} bytes; allowed are {MaxLength}");
        try
        {
            var reader = new MessagePackReader(bytes);
            var members = reader.ReadArrayHeader();
            if (members % 3 != 0 || members / 3 > MaxFiles) throw new DataException($"the list of files has {members} members; allowed are three each of 1 to {MaxFiles} files");
            var files = new List<DataFile>();
            for (var left = members / 3; left > 0; left--) files.Add(Read(ref reader));
            if (!reader.End) throw new DataException($"the list of files has {bytes.Length - reader.Consumed} bytes too many");
            return Checked(files);
        }
        // The last one: a length of more than 2 GiB, which the reader takes for a negative one.
        catch (Exception error) when (error is MessagePackSerializationException or EndOfStreamException or OverflowException or ArgumentOutOfRangeException)
        {
            throw new DataException($"the list of files is damaged: {error.Message}", error);
        }
    }

    /// <summary>What keeps a file or folder from being called like this; null if nothing does.</summary>
    internal static string? FaultOfName(string segment) => true switch
    {
        _ when segment is "" or "." or ".." => "a name that leads elsewhere",
        _ when segment.AsSpan().ContainsAny("/\\:\0") => "a name with a slash, backslash, colon or null character",
        _ when segment.Any(char.IsControl) => "a name with a control character",
        _ when segment.Contains('\uFFFD') => "a name that is no text",
        _ when Encoding.UTF8.GetByteCount(segment) > MaxSegmentBytes => $"a name of more than {MaxSegmentBytes} bytes",
        _ => null,
    };

    private static DataFile Read(ref MessagePackReader reader)
    {
        var name = reader.ReadString() ?? throw new DataException("the list of files has a file without a name");
        var bytes = reader.ReadInt64();
        var sum = reader.ReadBytes() is { Length: SHA256.HashSizeInBytes } found ? found.ToArray() : throw new DataException("the list of files has a sum that is no SHA-256");
        return new(name, bytes, Convert.ToHexStringLower(sum));
    }

    private static DataManifest Checked(List<DataFile> files)
    {
        if (files.Count is 0 or > MaxFiles) throw new DataException($"there are {files.Count} files; allowed are 1 to {MaxFiles}");
        var before = "";
        var total = 0L;
        var folders = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            var segments = file.Name.Length <= MaxName ? file.Name.Split('/') : throw new DataException($"a file has a name of {file.Name.Length} characters; allowed are {MaxName}");
            if (segments.Select(FaultOfName).FirstOrDefault(fault => fault is not null) is { } fault) throw new DataException($"the file '{Jobs.Shown.Of(file.Name)}' has {fault}");
            if (string.CompareOrdinal(before, file.Name) >= 0) throw new DataException($"the file '{Jobs.Shown.Of(file.Name)}' is listed twice, or out of order");
            if (file.Bytes < 0 || file.Bytes > long.MaxValue - total) throw new DataException($"the file '{Jobs.Shown.Of(file.Name)}' has {file.Bytes} bytes");
            total += file.Bytes;
            before = file.Name;
            for (var end = file.Name.LastIndexOf('/'); end > 0; end = file.Name.LastIndexOf('/', end - 1))
                if (!folders.Add(file.Name[..end])) break;
        }
        return files.FirstOrDefault(file => folders.Contains(file.Name)) is { } both
            ? throw new DataException($"'{Jobs.Shown.Of(both.Name)}' is a file and a folder")
            : new(files);
    }
}
