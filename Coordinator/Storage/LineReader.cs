namespace Distributed.Coordinator.Storage;

/// <summary>Reads a file line by line in bounded memory, whatever the file holds. Bytes behind the last line feed are no line.</summary>
/// <param name="maxBytes">Bytes that a line may have. Of a longer one, these and one more are told, and the rest is passed over.</param>
internal sealed class LineReader(Stream file, int maxBytes)
{
    private readonly byte[] _buffer = new byte[Math.Max(64 << 10, maxBytes + 2)];
    private int _start, _end;
    private bool _isOver, _isWithin;

    /// <summary>Where the line ends that was told last, its line feed included.</summary>
    public long Offset { get; private set; }

    /// <summary>Tells the next line, without its line feed, and a carriage return before that. It is valid until the next call.</summary>
    public bool Next(out ReadOnlySpan<byte> line)
    {
        line = default;
        PassOver();
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

    /// <summary>Passes over what is left of a line that is too long.</summary>
    private void PassOver()
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
