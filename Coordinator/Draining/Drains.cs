namespace Distributed.Coordinator.Draining;

/// <summary>Those who wait to hear what came of a worker that they have asked to leave. Used by one thread at a time.</summary>
internal sealed class Drains
{
    private readonly Dictionary<string, List<TaskCompletionSource<DrainOutcome>>> _waiting = new(StringComparer.Ordinal);

    /// <summary>Whether somebody has asked for this worker to leave.</summary>
    public bool IsAsked(string worker) => _waiting.ContainsKey(worker);

    /// <summary>One more waits.</summary>
    public void Add(string worker, TaskCompletionSource<DrainOutcome> outcome)
    {
        if (!_waiting.TryGetValue(worker, out var waiting)) _waiting[worker] = waiting = [];
        waiting.Add(outcome);
    }

    /// <summary>Tells all who wait for this worker.</summary>
    public void Settle(string worker, DrainResult result, string text)
    {
        if (!_waiting.Remove(worker, out var waiting)) return;
        foreach (var outcome in waiting) outcome.TrySetResult(new(result, text));
    }

    /// <summary>Tells all who wait for anybody.</summary>
    public void SettleAll(DrainResult result, Func<string, string> textOf)
    {
        foreach (var worker in _waiting.Keys.ToList()) Settle(worker, result, textOf(worker));
    }
}
