namespace Distributed.Coordinator.Cluster;

/// <summary>Those who wait to hear what came of a worker that they have asked to leave. Used by one thread at a time.</summary>
internal sealed class Drains
{
    private readonly Dictionary<string, List<TaskCompletionSource<DrainOutcome>>> _waiting = new(StringComparer.Ordinal);

    /// <summary>Whether somebody has asked for this worker to leave.</summary>
    public bool IsAsked(string worker) => _waiting.ContainsKey(worker);

    /// <summary>One more waits, or is told that there is no such worker.</summary>
    /// <param name="drain">Who is to leave, and who wants that.</param>
    public bool Add(CoordinatorNotice.Drain drain, IReadOnlyCollection<string> present)
    {
        if (!present.Contains(drain.Worker))
        {
            drain.Outcome.TrySetResult(new(DrainResult.Unknown,
                $"there is no worker '{drain.Worker}'; there are {(present.Count == 0 ? "none" : string.Join(", ", present.Order(StringComparer.Ordinal)))}"));
            return false;
        }
        if (!_waiting.TryGetValue(drain.Worker, out var waiting)) _waiting[drain.Worker] = waiting = [];
        waiting.Add(drain.Outcome);
        return true;
    }

    public void Settle(string worker, DrainResult result, string text)
    {
        if (!_waiting.Remove(worker, out var waiting)) return;
        foreach (var outcome in waiting) outcome.TrySetResult(new(result, text));
    }

    public void SettleAll(DrainResult result, Func<string, string> textOf)
    {
        foreach (var worker in _waiting.Keys.ToList()) Settle(worker, result, textOf(worker));
    }
}
