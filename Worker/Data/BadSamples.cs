using Distributed.Core;

namespace Distributed.Worker.Data;

/// <summary>The samples of a file or folder that cannot be read. All are found before they are refused or left out; the first are named.</summary>
internal sealed class BadSamples(string source, bool areSkipped)
{
    private const int MaxNamed = 10;

    private readonly List<string> _named = [];
    private int _count;

    /// <param name="what">Which one, and why, in a user's words.</param>
    public void Add(string what)
    {
        _count++;
        if (_named.Count < MaxNamed) _named.Add(what);
    }

    /// <param name="good">How many are not bad.</param>
    /// <returns>What was left out, for people; null where nothing was.</returns>
    /// <exception cref="DataException">There are bad ones that are not to be left out, or no good one.</exception>
    public string? End(int good)
    {
        if (_count == 0) return good > 0 ? null : throw new DataException($"{source} has no samples.");
        var named = string.Join("; ", _named) + (_count > MaxNamed ? $"; and {_count - MaxNamed} more" : "");
        var found = $"{source}: {_count} of {good + _count} samples cannot be used";
        if (!areSkipped) throw new DataException($"{found}: {named}. Mend them, or leave them out with on-bad-sample: skip.");
        return good > 0 ? $"{found} and are left out: {named}" : throw new DataException($"{found}, so none is left: {named}.");
    }
}
