namespace Distributed.Coordinator.Storage;

/// <summary>Reads a file line by line in bounded memory. Bytes behind the last line feed are not a line.</summary>
/// <param name="maxBytes">A longer line is returned as its first <c>maxBytes + 1</c> bytes; the rest is skipped.</param>
internal sealed class LineReader(Stream file, int maxBytes)
{
    private readonly byte[] _buffer = new byte[Math.Max(64 << 10, maxBytes + 2)];
    private int _start, _end;
    private bool _isOver, _isWithin;

    public long Offset { get; private set; } // The end of the line that was returned last, including its line feed.

    public bool Next(out ReadOnlySpan<byte> line)
    {
        line = default;
        SkipRest();
        var looked = 0;
        while (!_isOver)
        {
            var feed = _buffer.AsSpan(_start + looked, _end - _start - looked).IndexOf((byte)'\n');
            if (feed >= 0 && looked + feed <= maxBytes)
            {
                line = _buffer.AsSpan(_start, looked + feed);
                Offset += line.Length + 1;
                _start += line.Length + 1;
                line = line.TrimEnd((byte)'\r');
                return true;
            }
            looked = _end - _start;
            if (looked > maxBytes)
            {
                line = _buffer.AsSpan(_start, maxBytes + 1);
                Offset += line.Length;
                _start += line.Length;
                _isWithin = true;
                return true;
            }
            _isOver = !Fill();
        }
        return false;
    }

    // Skips the rest of a line that is too long.
    private void SkipRest()
    {
        while (_isWithin && !_isOver)
        {
            var feed = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            var gone = feed < 0 ? _end - _start : feed + 1;
            Offset += gone;
            _start += gone;
            _isWithin = feed < 0;
            if (_isWithin) _isOver = !Fill();
        }
    }

    private bool Fill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        var read = file.Read(_buffer.AsSpan(_end));
        _end += read;
        return read > 0;
    }
}
