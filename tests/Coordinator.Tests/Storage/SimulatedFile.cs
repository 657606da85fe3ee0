namespace Distributed.Coordinator.Tests.Storage;

/// <summary>A file of a <see cref="SimulatedDisk"/>: the view of programs, the disk, and the changes in between.</summary>
internal sealed class SimulatedFile
{
    private readonly List<(int At, byte[]? Bytes)> _pending = [];
    private byte[] _durable = [];

    /// <summary>The view of programs.</summary>
    public List<byte> Bytes { get; private set; } = [];

    public void Write(int at, byte[] bytes)
    {
        if (bytes.Length == 0) return;
        _pending.Add((at, bytes));
        Apply(Bytes, at, bytes);
    }

    public void SetLength(int length)
    {
        if (length == Bytes.Count) return;
        _pending.Add((length, null));
        Apply(Bytes, length, null);
    }

    public void Flush()
    {
        var durable = new List<byte>(_durable);
        foreach (var (at, bytes) in _pending) Apply(durable, at, bytes);
        _durable = [.. durable];
        _pending.Clear();
    }

    /// <summary>Unflushed data stays visible to programs but never reaches the disk.</summary>
    public void LosePending() => _pending.Clear();

    /// <summary>The file after a power cut.</summary>
    public SimulatedFile Survive(Random random, Action<string> note)
    {
        var left = new List<byte>(_durable);
        var kept = random.Next(_pending.Count + 1);
        foreach (var (at, bytes) in _pending.Take(kept)) Apply(left, at, bytes);
        if (kept < _pending.Count && _pending[kept] is (var begin, { } torn) && random.Next(2) == 0)
        {
            Apply(left, begin, torn[..random.Next(torn.Length)]);
            note("a write cut in two");
        }
        if (left.Count > _durable.Length && random.Next(4) == 0)
        {
            // The length of the file reached the disk, but not all of its bytes.
            var from = random.Next(_durable.Length, left.Count);
            var to = random.Next(from, left.Count) + 1;
            for (var i = from; i < to; i++) left[i] = 0;
            note("a page of zeros in a file that was not flushed");
        }
        return new() { Bytes = left, _durable = [.. left] };
    }

    private static void Apply(List<byte> file, int at, byte[]? bytes)
    {
        if (bytes is null)
        {
            if (file.Count > at) file.RemoveRange(at, file.Count - at);
            while (file.Count < at) file.Add(0);
            return;
        }
        while (file.Count < at + bytes.Length) file.Add(0);
        for (var i = 0; i < bytes.Length; i++) file[at + i] = bytes[i];
    }
}
