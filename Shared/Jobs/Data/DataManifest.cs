using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Distributed.Core;
using MessagePack;

namespace Distributed.Jobs.Data;

/// <summary>A file of a data set that goes over a link.</summary>
/// <param name="Name">A relative path with <c>/</c> between its segments, which never leads upwards.</param>
/// <param name="Sha256">Lower-case hexadecimal.</param>
internal sealed record DataFile(string Name, long Bytes, string Sha256);

/// <summary>The files of a data set that goes from one machine to another, in the order in which they follow it. The names become paths, so
/// a malformed manifest is refused before anything is written.</summary>
internal sealed record DataManifest
{
    public const int MaxLength = 64 << 20;
    public const int KeyLength = 2 * SHA256.HashSizeInBytes;
    public const int MaxFiles = 500_000;
    public const int MaxName = 1024; // Characters of a whole name.
    private const int MaxSegmentBytes = 255; // The limit of the usual file systems.

    private DataManifest(IReadOnlyList<DataFile> files) => (Files, Bytes) = (files, files.Sum(file => file.Bytes));

    public IReadOnlyList<DataFile> Files { get; } // In ordinal order of their names.
    public long Bytes { get; }

    public static DataManifest Of(IEnumerable<DataFile> files) =>
        Checked([.. files.OrderBy(file => file.Name, StringComparer.Ordinal)]);

    /// <summary>The identity of a data set: the SHA-256 of its manifest, in lower-case hexadecimal.</summary>
    public static string KeyOf(ReadOnlySpan<byte> manifest) => Convert.ToHexStringLower(SHA256.HashData(manifest));

    public static bool IsKey(string text) => text.Length == KeyLength && text.All(char.IsAsciiHexDigitLower);

    /// <summary>MessagePack: an array of name, length and SHA-256 of each file.</summary>
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
            : throw new DataException(
                $"the list of the {Files.Count} files has {bytes.WrittenCount} bytes; at most {MaxLength} can be sent");
    }

    public static DataManifest Parse(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > MaxLength)
            throw new DataException($"the list of files has {bytes.Length} bytes; at most {MaxLength} are allowed");
        try
        {
            var reader = new MessagePackReader(bytes);
            var members = reader.ReadArrayHeader();
            if (members % 3 != 0 || members / 3 > MaxFiles)
            {
                throw new DataException(
                    $"the list of files has {members} members; allowed: three for each of 1 to {MaxFiles} files");
            }
            var files = new List<DataFile>();
            for (var left = members / 3; left > 0; left--) files.Add(Read(ref reader));
            if (!reader.End) throw new DataException($"the list of files has {bytes.Length - reader.Consumed} bytes too many");
            return Checked(files);
        }
        // ArgumentOutOfRangeException: a length above 2 GiB, which the reader takes for a negative one.
        catch (Exception error) when (error
            is MessagePackSerializationException or EndOfStreamException or OverflowException or ArgumentOutOfRangeException)
        {
            throw new DataException($"the list of files is damaged: {error.Message}", error);
        }
    }

    /// <summary>Why a file or folder cannot have this name; null if it can.</summary>
    internal static string? FaultOfName(string segment)
    {
        if (segment is "" or "." or "..") return "a name that leads elsewhere";
        if (segment.AsSpan().ContainsAny("/\\:\0")) return "a name with a slash, backslash, colon or null character";
        if (segment.Any(char.IsControl)) return "a name with a control character";
        if (segment.Contains('\uFFFD')) return "a name that is not text";
        return Encoding.UTF8.GetByteCount(segment) > MaxSegmentBytes ? $"a name of more than {MaxSegmentBytes} bytes" : null;
    }

    private static DataFile Read(ref MessagePackReader reader)
    {
        var name = reader.ReadString() ?? throw new DataException("the list of files has a file without a name");
        var bytes = reader.ReadInt64();
        if (reader.ReadBytes() is not { Length: SHA256.HashSizeInBytes } sum)
            throw new DataException("the list of files has a malformed SHA-256");
        return new(name, bytes, Convert.ToHexStringLower(sum.ToArray()));
    }

    private static DataManifest Checked(List<DataFile> files)
    {
        if (files.Count is 0 or > MaxFiles) throw new DataException($"there are {files.Count} files; allowed: 1 to {MaxFiles}");
        var before = "";
        var total = 0L;
        var folders = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            if (file.Name.Length > MaxName)
                throw new DataException($"a file has a name of {file.Name.Length} characters; at most {MaxName} are allowed");
            if (file.Name.Split('/').Select(FaultOfName).FirstOrDefault(fault => fault is not null) is { } fault)
                throw Refused(file, $"has {fault}");
            if (string.CompareOrdinal(before, file.Name) >= 0) throw Refused(file, "is listed twice, or out of order");
            if (file.Bytes < 0 || file.Bytes > long.MaxValue - total) throw Refused(file, $"has {file.Bytes} bytes");
            total += file.Bytes;
            before = file.Name;
            for (var end = file.Name.LastIndexOf('/'); end > 0; end = file.Name.LastIndexOf('/', end - 1))
                if (!folders.Add(file.Name[..end])) break;
        }
        return files.FirstOrDefault(file => folders.Contains(file.Name)) is { } both
            ? throw new DataException($"'{Shown.Of(both.Name)}' is a file and a folder")
            : new(files);
    }

    private static DataException Refused(DataFile file, string fault) => new($"the file '{Shown.Of(file.Name)}' {fault}");
}
