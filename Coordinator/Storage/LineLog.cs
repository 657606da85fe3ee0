using System.Text;

namespace Distributed.Coordinator.Storage;

// A text file that grows by lines while others read it. Adding never fails: lines stay in memory until they are in the file, and if
// isNeeded, until they are on the disk. A failed write is repeated at the same offset, so no torn line stays within
// the file. One thread adds lines; any thread may flush.
// path: The first flush replaces this file unless Continue is called.
// isNeeded: Whether the run depends on the lines; other lines may be lost in a power cut.
internal sealed class LineLog(IFileSystem files, string path, string? header, bool isNeeded, int maxBytes = LineLog.MaxBytes) : IDisposable
{
    public const int MaxBytes = 64 << 20; // Some 700,000 steps of a history.

    private readonly Lock _adding = new();
    private readonly Lock _writing = new();
    private byte[] _lines = header is null ? [] : Encoding.UTF8.GetBytes(header + '\n');
    private int _count = header is null ? 0 : Encoding.UTF8.GetByteCount(header) + 1;
    private Stream? _file;

    // Bytes of the file that need no rewriting, and those that the operating system has.
    private long _safe, _written;
    private bool _isNew = true, _isFolderFlushed, _isOverfull, _isClosed;

    /// <summary>Whether lines were discarded because too many waited: all lines after a certain one, so that there is no gap.</summary>
    public bool IsOverfull
    {
        get { lock (_adding) return _isOverfull; }
    }

    /// <summary>Keeps and flushes the first bytes of an existing file; 0 begins it anew. Call before adding.</summary>
    public void Continue(long bytes)
    {
        if (bytes == 0 && !files.FileExists(path)) return;
        _file = files.OpenWrite(path, isNew: false);
        // If no line is kept, the header is written again.
        (_isNew, _count, _safe, _written) = (false, bytes == 0 ? _count : 0, bytes, bytes);
        if (_file.Length != bytes) _file.SetLength(bytes);
        // The removed bytes must not reappear after a power cut, and this process cannot rewrite what another one wrote.
        files.FlushToDisk(_file);
    }

    public void Add(string line)
    {
        lock (_adding)
        {
            var length = Encoding.UTF8.GetByteCount(line) + 1;
            _isOverfull |= _count + length > maxBytes;
            if (_isOverfull) return;
            if (_count + length > _lines.Length)
                Array.Resize(ref _lines, Math.Max(_count + length, Math.Min(2 * _lines.Length, maxBytes)));
            Encoding.UTF8.GetBytes(line, _lines.AsSpan(_count));
            _count += length;
            _lines[_count - 1] = (byte)'\n';
        }
    }

    /// <summary>Hands every line to the operating system; returns false if another thread is writing.</summary>
    public bool Flush()
    {
        // The other thread may be waiting for the disk, which this caller must not.
        if (!_writing.TryEnter()) return false;
        try
        {
            Write();
            return true;
        }
        finally
        {
            _writing.Exit();
        }
    }

    /// <summary>Returns when every line that was added before is on the disk.</summary>
    public void FlushToDisk()
    {
        lock (_writing)
        {
            Write();
            if (_isClosed) return;
            try
            {
                files.FlushToDisk(_file!);
            }
            catch
            {
                // The operating system may drop pages that it failed to write: write all of them again.
                if (isNeeded) _written = _safe;
                throw;
            }
            if (!_isFolderFlushed) files.FlushFolder(Path.GetDirectoryName(path)!);
            _isFolderFlushed = true;
            Forget();
        }
        if (IsOverfull) throw new IOException($"'{path}' lacks lines: more than {maxBytes} bytes could not be written");
    }

    public void Dispose()
    {
        lock (_writing)
        {
            StorageError.Ignore(Write);
            _file?.Dispose();
            _isClosed = true;
        }
    }

    private void Write()
    {
        // Lines after the end are not recorded.
        if (_isClosed) return;
        _file ??= files.OpenWrite(path, isNew: _isNew);
        _isNew = false;
        byte[] lines;
        lock (_adding) lines = _lines[(int)(_written - _safe).._count];
        if (lines.Length == 0) return;
        try
        {
            _file.Position = _written;
            _file.Write(lines);
        }
        catch
        {
            // Hides the torn line from readers; the next write overwrites it in any case.
            StorageError.Ignore(() => _file!.SetLength(_written));
            throw;
        }
        _written += lines.Length;
        if (!isNeeded) Forget();
    }

    private void Forget()
    {
        lock (_adding)
        {
            var gone = (int)(_written - _safe);
            _lines.AsSpan(gone, _count - gone).CopyTo(_lines);
            (_safe, _count) = (_written, _count - gone);
        }
    }
}
