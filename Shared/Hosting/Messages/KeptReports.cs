namespace Distributed.Hosting.Messages;

/// <summary>The reports of a worker that no coordinator has on its disk yet. The worker sends them again to a coordinator that has lost
/// them. A worker applies no further rounds while the unsafe reports reach the limit.</summary>
/// <param name="limit">Bytes of kept reports at which <see cref="MayApply"/> becomes false.</param>
internal sealed class KeptReports(long limit)
{
    private readonly Queue<RoundReport> _kept = new();
    private long _bytes;
    private long _next;
    private long _safe;

    /// <summary>The first round that can still be reported, like all rounds after it.</summary>
    public long From => _kept.TryPeek(out var oldest) ? oldest.Round : Math.Max(_next, _safe);

    public bool MayApply => _bytes < limit;

    public IEnumerable<RoundReport> Since(long round) => _kept.Where(report => report.Round >= round);

    public void Keep(IEnumerable<RoundReport> reports)
    {
        foreach (var report in reports)
        {
            _next = report.Round + 1;
            // Other workers have reported a round that is done again.
            if (report.Round < _safe) continue;
            _kept.Enqueue(report);
            _bytes += BytesOf(report);
        }
    }

    /// <summary>Reports of rounds before this one are safe.</summary>
    public void Forget(long before)
    {
        _safe = Math.Max(_safe, before);
        while (_kept.TryPeek(out var oldest) && oldest.Round < before) _bytes -= BytesOf(_kept.Dequeue());
    }

    /// <summary>Sets the number of applied rounds. After a state transfer, other workers report the rounds in between.</summary>
    public void Follow(long applied)
    {
        if (applied == _next) return;
        _kept.Clear();
        (_bytes, _next) = (0, applied);
    }

    private static long BytesOf(RoundReport report) => MessageBounds.ReportBytes(report.Tallies.Length);
}
