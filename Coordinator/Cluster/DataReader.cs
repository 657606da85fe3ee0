using Distributed.Core;

namespace Distributed.Coordinator.Cluster;

/// <summary>Reads a manifest and the files behind it as one stream, with no more than one of them open.</summary>
/// <param name="files">Where each file lies, and how long it was.</param>
/// <param name="open">Opens a file, if it may be sent.</param>
internal sealed class DataReader(ReadOnlyMemory<byte> manifest, IReadOnlyList<(string Path, long Bytes)> files, Func<string, FileStream> open) : IDisposable
{
    private ReadOnlyMemory<byte> _manifest = manifest;
    private FileStream? _file;
    private int _next;
    private long _left;

    /// <summary>Fills a piece; only the last one becomes shorter.</summary>
    /// <returns>Bytes that it has; 0 at the end.</returns>
    /// <exception cref="DataException">A file cannot be read any more, or has become shorter.</exception>
    public int Fill(Span<byte> piece)
    {
        var filled = Math.Min(piece.Length, _manifest.Length);
        _manifest.Span[..filled].CopyTo(piece);
        _manifest = _manifest[filled..];
        try
        {
            while (filled < piece.Length && (_left > 0 || Advance())) filled += Read(piece[filled..]);
            return filled;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"the data cannot be read any more: {error.Message}", error);
        }
    }

    public void Dispose() => _file?.Dispose();

    private int Read(Span<byte> piece)
    {
        var read = _file!.Read(piece[..(int)Math.Min(piece.Length, _left)]);
        if (read == 0) throw new DataException($"'{_file.Name}' has become {_left} bytes shorter while it was sent");
        _left -= read;
        return read;
    }

    private bool Advance()
    {
        for (; _next < files.Count; _next++)
        {
            _file?.Dispose();
            _file = null;
            if (files[_next].Bytes == 0) continue;
            _file = open(files[_next].Path);
            _left = files[_next++].Bytes;
            return true;
        }
        return false;
    }
}
