using System.Text;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

/// <summary>The end of a <see cref="LineLog"/> that may still grow, at a cost that does not depend on its length.</summary>
internal static class CsvTail
{
    /// <summary>Longer than two lines of any of them.</summary>
    private const int Length = 1024;

    /// <summary>The last complete line, which may be the header; null while there is none.</summary>
    /// <exception cref="IOException">The file is not there or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static string? LastLine(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        file.Seek(-Math.Min(Length, file.Length), SeekOrigin.End);
        Span<byte> bytes = stackalloc byte[Length];
        bytes = bytes[..file.ReadAtLeast(bytes, Length, throwOnEndOfStream: false)];
        var end = bytes.LastIndexOf((byte)'\n');
        return end < 0 ? null : Encoding.UTF8.GetString(bytes[(bytes[..end].LastIndexOf((byte)'\n') + 1)..end]);
    }
}
