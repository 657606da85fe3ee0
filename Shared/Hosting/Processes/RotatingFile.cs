using System.Globalization;
using System.Text;

namespace Distributed.Hosting.Processes;

/// <summary>
/// A file of lines that does not grow without end: one that is full becomes NAME.1, the one before it NAME.2, and what is older than the last is
/// deleted. Never throws once it is open: what cannot be written is left out, and told when lines can be written again. Safe from every thread.
/// </summary>
internal sealed class RotatingFile : IDisposable
{
    /// <summary>Bytes of a file: 16 MiB.</summary>
    public const long DefaultBytes = 16 << 20;

    /// <summary>Files that are kept, the one that is written to included.</summary>
    public const int DefaultFiles = 4;

    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly long _bytes;
    private readonly int _files;
    private FileStream? _file;
    private long _lost;
    private string _reason = "";
    private bool _isDisposed;

    /// <summary>Opens a file, behind what it holds.</summary>
    /// <param name="path">Its path; the folder exists.</param>
    /// <param name="bytes">Bytes that it may have.</param>
    /// <param name="files">Files that are kept; 2 or more.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public RotatingFile(string path, long bytes = DefaultBytes, int files = DefaultFiles)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(files, 2);
        (_path, _bytes, _files) = (path, bytes, files);
        _file = Open();
    }

    /// <summary>Why the last line could not be written; null if it could.</summary>
    public string? Failure
    {
        get { lock (_lock) return _lost == 0 ? null : _reason; }
    }

    /// <summary>Adds a line, which is in the file when this returns.</summary>
    public void WriteLine(string line)
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            try
            {
                if (_lost > 0) Write(string.Create(CultureInfo.InvariantCulture, $"{_lost} lines could not be written: {_reason}"));
                _lost = 0;
                Write(line);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or ObjectDisposedException)
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
            // Half a line would begin the next one.
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

    private string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{_path}.{number}");

    // No buffer of its own: what is written has left the process.
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
            // The disk is as it is.
        }
        _file = null;
    }
}
