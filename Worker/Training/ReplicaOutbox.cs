using System.Diagnostics;
using Distributed.Core.Planning;
using Distributed.Hosting.Messages;

namespace Distributed.Worker.Training;

/// <summary>
/// What a replica tells its worker's actor: reports in batches, and every report again until the coordinator has it on its disk. It
/// outlives the actor. Reports are added and flushed by the replica's thread alone; the rest is safe from every thread.
/// </summary>
/// <param name="keptBytes">Bytes of reports that may be kept before <see cref="MayApply"/> says no.</param>
/// <param name="meter">Measures what is reported; null for no metrics.</param>
internal sealed class ReplicaOutbox(long keptBytes, RoundMeter? meter = null)
{
    /// <summary>More than the fastest job applies within <see cref="Interval"/>.</summary>
    public const int MaxReports = 1024;

    private readonly Lock _lock = new();
    private readonly KeptReports _kept = new(keptBytes);
    private readonly List<AppliedRound> _pending = [];
    private Action<object>? _tell;
    private long _flushedAt;

    public static TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Whether reports wait for <see cref="Flush"/>.</summary>
    public bool IsPending => _pending.Count > 0;

    /// <summary>Whether another round may be begun: false while the reports of as many as can be kept are not safe.</summary>
    public bool MayApply
    {
        get { lock (_lock) return _kept.MayApply; }
    }

    /// <summary>The first round that can still be reported.</summary>
    public long ReportsFrom
    {
        get { lock (_lock) return _kept.From; }
    }

    /// <summary>Reports a round, with the others of this interval unless it is the last of its plan.</summary>
    public void Add(AppliedRound round, bool isLast)
    {
        _pending.Add(round);
        if (isLast || _pending.Count >= MaxReports || Stopwatch.GetElapsedTime(_flushedAt) > Interval) Flush();
    }

    public void Flush()
    {
        _flushedAt = Stopwatch.GetTimestamp();
        if (_pending.Count == 0) return;
        meter?.Measure(_pending);
        RoundReport[] reports = [.. _pending.Select(round => round.Report)];
        _pending.Clear();
        lock (_lock)
        {
            _kept.Keep(reports);
            foreach (var message in MessageBounds.Split(reports)) _tell?.Invoke(message);
        }
    }

    /// <returns>Whether there is an actor to tell.</returns>
    public bool Tell(object message)
    {
        lock (_lock)
        {
            _tell?.Invoke(message);
            return _tell is not null;
        }
    }

    /// <summary>Tells that a state of others has replaced the replica's: rounds in between are not this worker's to report.</summary>
    public void TellSynced(Synced synced)
    {
        lock (_lock)
        {
            _kept.Follow(synced.Applied);
            _tell?.Invoke(synced);
        }
    }

    /// <summary>Reports of rounds before this one are safe.</summary>
    public void Forget(long before)
    {
        lock (_lock) _kept.Forget(before);
    }

    /// <summary>Tells no one until <see cref="Resume"/>.</summary>
    public void Suspend()
    {
        lock (_lock) _tell = null;
    }

    /// <summary>Tells this one from now on, beginning with the kept reports from a round on.</summary>
    public void Resume(Action<object> tell, long from = long.MaxValue)
    {
        lock (_lock)
        {
            _tell = tell;
            foreach (var message in MessageBounds.Split(_kept.Since(from))) tell(message);
        }
    }
}

/// <summary>A round that a replica has applied.</summary>
/// <param name="Samples">Samples that this worker computed of it.</param>
/// <param name="SentComputing">Bytes of gradient sums that left while the replica computed, since the start.</param>
/// <param name="SentWaiting">Bytes of gradient sums that left while it waited for the average, since the start.</param>
internal readonly record struct AppliedRound(RoundReport Report, RoundKind Kind, long Samples, long SentComputing, long SentWaiting);
