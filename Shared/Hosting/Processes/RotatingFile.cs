using System.Text;

namespace Distributed.Hosting.Processes;

/// <summary>A file of lines with a bounded size: a full file becomes NAME.1, the one before it NAME.2, and the oldest is deleted. An open
/// one never throws: it drops lines that cannot be written, and counts them in the next line. Safe from every thread.</summary>
internal sealed class RotatingFile : IDisposable
{
    public const long DefaultBytes = 16 << 20; // Bytes of a file: 16 MiB.
    public const int DefaultFiles = 4; // Includes the file that is being written.

    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly long _bytes;
    private readonly int _files;
    private FileStream? _file;
    private long _lost;
    private string _reason = "";
    private bool _isDisposed;

    public RotatingFile(string path, long bytes = DefaultBytes, int files = DefaultFiles)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(files, 2);
        (_path, _bytes, _files) = (path, bytes, files);
        _file = Open();
    }

    /// <summary>Why the last line could not be written; null if it was.</summary>
    public string? Failure { get { lock (_lock) return _lost == 0 ? null : _reason; } }

    /// <summary>Adds a line and flushes it to the operating system.</summary>
    public void WriteLine(string line)
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            try
            {
                if (_lost > 0) Write(FormattableString.Invariant($"{_lost} lines could not be written: {_reason}"));
                _lost = 0;
                Write(line);
            }
            catch (Exception error) when (error
                is IOException or UnauthorizedAccessException or ArgumentException or ObjectDisposedException)
            {
                _lost++;
                _reason = error.Message;
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            Close();
        }
    }

    private void Write(string line)
    {
        var bytes = _utf8.GetBytes(line + "\n");
        var file = _file ??= Open();
        if (file.Length > 0 && file.Length + bytes.Length > _bytes)
        {
            Rotate();
            file = _file = Open();
        }
        var before = file.Length;
        try
        {
            file.Write(bytes);
            file.Flush();
        }
        catch
        {
            // Otherwise half a line would precede the next one.
            Close(before);
            throw;
        }
    }

    private void Rotate()
    {
        Close();
        for (var number = _files - 1; number > 0; number--)
        {
            var from = number == 1 ? _path : NameOf(number - 1);
            if (File.Exists(from)) File.Move(from, NameOf(number), overwrite: true);
        }
    }

    private string NameOf(int number) => FormattableString.Invariant($"{_path}.{number}");

    // Without a buffer in the process.
    private FileStream Open() => new(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    private void Close(long? length = null)
    {
        try
        {
            if (length is { } kept) _file?.SetLength(kept);
            _file?.Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // Nothing can be done about the disk.
        }
        _file = null;
    }
}
