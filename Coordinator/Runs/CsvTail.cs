using System.Text;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

/// <summary>The end of a <see cref="LineLog"/> that may still grow, at a cost that does not depend on its length.</summary>
internal static class CsvTail
{
    private const int Length = 1024; // More than two lines of every CSV file have.

    public static string? LastLine(string path)
    {
        using var file = LocalDisk.Instance.OpenRead(path);
        file.Seek(-Math.Min(Length, file.Length), SeekOrigin.End);
        Span<byte> bytes = stackalloc byte[Length];
        bytes = bytes[..file.ReadAtLeast(bytes, Length, throwOnEndOfStream: false)];
        var end = bytes.LastIndexOf((byte)'\n');
        return end < 0 ? null : Encoding.UTF8.GetString(bytes[(bytes[..end].LastIndexOf((byte)'\n') + 1)..end]);
    }
}
