namespace Distributed.Hosting.Messages;

/// <summary>
/// The reports of a worker that no coordinator has on its disk yet: it can give them again to one that has lost them, or that comes after
/// one that has. Bounded: a worker applies no further rounds while as many as may be kept are not safe.
/// </summary>
/// <param name="limit">Bytes that may be kept before <see cref="MayApply"/> says no.</param>
internal sealed class KeptReports(long limit)
{
    private readonly Queue<RoundReport> _kept = new();
    private long _bytes;
    private long _next;
    private long _safe;

    /// <summary>The first round that can still be reported; all after it can be, too.</summary>
    public long From => _kept.TryPeek(out var oldest) ? oldest.Round : Math.Max(_next, _safe);

    /// <summary>Whether there is room for the reports of more rounds.</summary>
    public bool MayApply => _bytes < limit;

    /// <summary>The reports of rounds from this one on, in order.</summary>
    public IEnumerable<RoundReport> Since(long round) => _kept.Where(report => report.Round >= round);

    /// <summary>Rounds were applied, in order.</summary>
    public void Keep(IEnumerable<RoundReport> reports)
    {
        foreach (var report in reports)
        {
            _next = report.Round + 1;
            // A round that is done again was reported by others.
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

    /// <summary>So many rounds are applied. Where a state brought them that others have computed, those in between are not this worker's to report.</summary>
    public void Follow(long applied)
    {
        if (applied == _next) return;
        _kept.Clear();
        (_bytes, _next) = (0, applied);
    }

    private static long BytesOf(RoundReport report) => MessageBounds.ReportBytes(report.Tallies.Length);
}
