namespace Distributed.Coordinator.Tests.Storage;

/// <summary>A folder of a <see cref="SimulatedDisk"/>: the names that programs see, those on the disk, and the changes between.</summary>
internal sealed class SimulatedFolder
{
    private readonly List<Action<SortedDictionary<string, object>>> _pending = [];
    private SortedDictionary<string, object> _durable = new(StringComparer.Ordinal);

    /// <summary>The view of programs: files and folders by name.</summary>
    public SortedDictionary<string, object> Entries { get; private init; } = new(StringComparer.Ordinal);

    public long Bytes => Entries.Values.Sum(entry => entry is SimulatedFolder folder ? folder.Bytes : ((SimulatedFile)entry).Bytes.Count);

    public void Set(string name, object entry) => Do(entries => entries[name] = entry);

    public void Remove(string name) => Do(entries => entries.Remove(name));

    public void Rename(string from, string to)
    {
        if (!Entries.ContainsKey(from)) throw new FileNotFoundException($"Could not find '{from}'");
        Do(entries =>
        {
            if (entries.Remove(from, out var entry)) entries[to] = entry;
        });
    }

    public void Flush()
    {
        foreach (var change in _pending) change(_durable);
        _pending.Clear();
    }

    /// <summary>The folder after a power cut.</summary>
    public SimulatedFolder Survive(Random random, Action<string> note)
    {
        var kept = random.Next(_pending.Count + 1);
        if (kept < _pending.Count) note("a name that was not flushed is gone");
        var left = new SortedDictionary<string, object>(_durable, StringComparer.Ordinal);
        foreach (var change in _pending.Take(kept)) change(left);
        var entries = new SortedDictionary<string, object>(StringComparer.Ordinal);
        foreach (var (name, entry) in left)
            entries[name] = entry is SimulatedFolder folder ? folder.Survive(random, note) : ((SimulatedFile)entry).Survive(random, note);
        return new() { Entries = entries, _durable = new(entries, StringComparer.Ordinal) };
    }

    private void Do(Action<SortedDictionary<string, object>> change)
    {
        change(Entries);
        _pending.Add(change);
    }
}
