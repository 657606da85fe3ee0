using System.Text;

namespace Distributed.Coordinator.Storage;

/// <summary>
/// A text file that grows line by line, and may be read meanwhile. Adding a line never fails: lines stay in memory until they are in the
/// file, and where they are <paramref name="isNeeded"/>, until they are on the disk. A write that fails is repeated from the same place
/// of the file, so that no torn line is ever left within it. Lines are added by one thread; any may flush.
/// </summary>
/// <param name="files">Where the file is.</param>
/// <param name="path">The file. It is replaced by the first flush, unless <see cref="Continue"/> says otherwise.</param>
/// <param name="header">Its first line; null for none.</param>
/// <param name="isNeeded">Whether the run depends on the lines. Lines that only inform are lost with the power.</param>
/// <param name="maxBytes">Bytes that may wait in memory.</param>
internal sealed class LineLog(IFileSystem files, string path, string? header, bool isNeeded, int maxBytes = LineLog.MaxBytes) : IDisposable
{
    /// <summary>Bytes that may wait in memory: some 700,000 steps of a history.</summary>
    public const int MaxBytes = 64 << 20;

    private readonly Lock _adding = new();
    private readonly Lock _writing = new();
    private byte[] _lines = header is null ? [] : Encoding.UTF8.GetBytes(header + '\n');
    private int _count = header is null ? 0 : Encoding.UTF8.GetByteCount(header) + 1;
    private Stream? _file;

    // Bytes of the file that need not be written again, and those that the operating system has.
    private long _safe, _written;
    private bool _isNew = true, _isFolderFlushed, _isOverfull, _isClosed;

    /// <summary>Whether lines were thrown away, as too many waited: all from one line on, so that what is there has no gap.</summary>
    public bool IsOverfull
    {
        get
        {
            lock (_adding) return _isOverfull;
        }
    }

    /// <summary>
    /// Keeps the beginning of the file that is there, its header included, and cuts off what follows; both are on the disk when this
    /// returns. Before the first line is added.
    /// </summary>
    /// <param name="bytes">Bytes to keep, all of which the file has; 0 begins the file anew.</param>
    /// <exception cref="IOException">The file cannot be cut off.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written to.</exception>
    public void Continue(long bytes)
    {
        if (bytes == 0 && !files.FileExists(path)) return;
        _file = files.OpenWrite(path, isNew: false);
        // Without any line to keep, the header is written anew; what was there must be gone before that, too.
        (_isNew, _count, _safe, _written) = (false, bytes == 0 ? _count : 0, bytes, bytes);
        if (_file.Length != bytes) _file.SetLength(bytes);
        // What was cut off must not come back behind what is written there, and what another process wrote cannot be written again by this one.
        files.FlushToDisk(_file);
    }

    public void Add(string line)
    {
        lock (_adding)
        {
            var length = Encoding.UTF8.GetByteCount(line) + 1;
            _isOverfull |= _count + length > maxBytes;
            if (_isOverfull) return;
            if (_count + length > _lines.Length) Array.Resize(ref _lines, Math.Max(_count + length, Math.Min(2 * _lines.Length, maxBytes)));
            Encoding.UTF8.GetBytes(line, _lines.AsSpan(_count));
            _count += length;
            _lines[_count - 1] = (byte)'\n';
        }
    }

    /// <summary>Hands every line to the operating system, unless another thread is doing so.</summary>
    /// <returns>False where another thread is.</returns>
    /// <exception cref="IOException">The disk is full or broken; the lines are still in memory.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to; the lines are still in memory.</exception>
    public bool Flush()
    {
        // Who holds it may wait for the disk, which this caller must not.
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

    /// <summary>Returns when every line is on the disk that was added before.</summary>
    /// <exception cref="IOException">The disk is full or broken, or lines were thrown away, see <see cref="IsOverfull"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
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
                // A system that has failed to write something may drop it: all of it is written again.
                if (isNeeded) _written = _safe;
                throw;
            }
            if (!_isFolderFlushed) files.FlushFolder(Path.GetDirectoryName(path)!);
            _isFolderFlushed = true;
            Forget();
        }
        if (IsOverfull) throw new IOException($"'{path}' lacks lines: more than {maxBytes} bytes could not be written");
    }

    /// <summary>Tries to write what has not been written, and closes the file.</summary>
    public void Dispose()
    {
        lock (_writing)
        {
            try
            {
                Write();
            }
            catch (Exception error) when (StorageError.Is(error))
            {
                // That was told when it happened first.
            }
            _file?.Dispose();
            _isClosed = true;
        }
    }

    private void Write()
    {
        // What happens after the end is of no file.
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
            CutOff();
            throw;
        }
        _written += lines.Length;
        if (!isNeeded) Forget();
    }

    /// <summary>A part of a line may be in the file: readers need not see it, and the next write takes its place.</summary>
    private void CutOff()
    {
        try
        {
            _file!.SetLength(_written);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            // The next write takes its place all the same.
        }
    }

    /// <summary>What is safe need not be kept.</summary>
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
