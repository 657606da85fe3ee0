using System.Globalization;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// The numbers of a line of comma-separated values, one after another, without a string for each. Whatever is no printable ASCII
/// character makes the line unreadable: .NET's own parsers pass over zero bytes behind a number, and a disk may hold pages of them.
/// </summary>
internal ref struct CsvCells(ReadOnlySpan<byte> line)
{
    private readonly bool _isReadable = !line.ContainsAnyExceptInRange((byte)' ', (byte)'~');
    private ReadOnlySpan<byte> _rest = line;

    /// <summary>Whether all cells were taken.</summary>
    public bool IsEnd { get; private set; }

    /// <summary>Takes a whole number without a sign.</summary>
    public bool Long(out long value) => long.TryParse(Next(), NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>Takes a whole number without a sign.</summary>
    public bool Int(out int value) => int.TryParse(Next(), NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>Takes any number, also one that is not finite.</summary>
    public bool Double(out double value) => double.TryParse(Next(), NumberStyles.Float, CultureInfo.InvariantCulture, out value);

    private ReadOnlySpan<byte> Next()
    {
        if (IsEnd || !_isReadable) return default;
        var comma = _rest.IndexOf((byte)',');
        var cell = comma < 0 ? _rest : _rest[..comma];
        IsEnd = comma < 0;
        _rest = comma < 0 ? default : _rest[(comma + 1)..];
        return cell;
    }
}
