using Distributed.Core;

namespace Distributed.Worker.Data;

/// <summary>Collects the unreadable samples of a file or folder, to reject or skip them together. Messages name the first ones.</summary>
internal sealed class BadSamples(string source, bool areSkipped)
{
    private const int MaxNamed = 10;

    private readonly List<string> _named = [];
    private int _count;

    /// <param name="what">Which sample, and what is wrong with it.</param>
    public void Add(string what)
    {
        _count++;
        if (_named.Count < MaxNamed) _named.Add(what);
    }

    /// <summary>Ends the collection after the samples of a file, and returns the numbers of the good ones.</summary>
    public IReadOnlyList<int> Good(int count, Func<int, string?> faultOf, List<string> notes)
    {
        List<int> good = [];
        for (var sample = 0; sample < count; sample++)
        {
            if (faultOf(sample) is { } fault) Add(fault);
            else good.Add(sample);
        }
        End(good.Count, notes);
        return good;
    }

    /// <summary>Ends the collection: rejects bad samples, or notes that they are skipped.</summary>
    public void End(int good, List<string> notes)
    {
        if (_count == 0 && good > 0) return;
        if (_count == 0) throw new DataException($"{source} has no samples.");
        var named = string.Join("; ", _named) + (_count > MaxNamed ? $"; and {_count - MaxNamed} more" : "");
        var found = $"{source}: {_count} of {good + _count} samples cannot be used";
        if (!areSkipped) throw new DataException($"{found}: {named}. Mend them, or leave them out with on-bad-sample: skip.");
        if (good == 0) throw new DataException($"{found}, so none is left: {named}.");
        notes.Add($"{found} and are left out: {named}");
    }
}
