using System.Diagnostics;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Transport.Buffers;

namespace Distributed.Worker.Training;

/// <summary>
/// A worker's step: the plan says which micro-batches this worker computes; <see cref="TryRun"/> maps, reduces, applies and reports. Used
/// by the replica's thread alone.
/// </summary>
internal sealed class TrainingStep(
    string worker, Job job, Replica replica, VectorPool pool, WorkerLinks links, ReplicaOutbox outbox) : IDisposable
{
    private readonly MapSums _sums = new(pool);
    private Action<int>? _send;
    private RoundWork? _work;
    private ReplicaEffect.Step? _step;
    private RoundTimes _times;
    private long _lapStart;
    private double _sendSeconds;
    private TimeSpan _reducing;
    private long _sentComputing;
    private long _sentWaiting;

    /// <summary>The best first metric of any checkpoint so far; NaN before the first.</summary>
    public double Best { get; set; } = double.NaN;

    /// <summary>
    /// Plan: takes up a round. What this worker computed of the same round under an earlier plan is sent as far as it still fits, and
    /// only the rest is computed.
    /// </summary>
    public void Begin(ReplicaEffect.Step step)
    {
        _step = step;
        links.Enter(step.Round.Number);
        if (_work?.Round != step.Round)
        {
            _sums.Restart(step.Round.MicroBatches);
            if (_work is null) _work = new(step.Round);
            else _work.Restart(step.Round);
            _times = default;
        }
        _lapStart = Stopwatch.GetTimestamp();
        var dropped = new List<TreeNode>();
        var first = pool.Layout.FirstSlice(step.Round.Kind);
        foreach (var node in _work.Assign(step.Range, dropped))
            links.Contribute(node, first, pool.Layout.Slices - first, _sums.At(node), isRepeated: true);
        foreach (var node in dropped) _sums.Drop(node);
        if (step.Range.Count == 0) links.SendPresent();
        _times = _times with { Send = _times.Send + Lap() };
    }

    /// <summary>Leaves the step where it is.</summary>
    public void Stop() => _step = null;

    /// <summary>Runs the step to its end, or until it is interrupted: the next call goes on from there.</summary>
    /// <param name="isInterrupted">Whether the thread has something else to do; asked before each micro-batch and while it waits.</param>
    /// <returns>Whether the round is applied.</returns>
    public bool TryRun(Func<bool> isInterrupted)
    {
        if (_step is not { } step || _work is not { } work)
        {
            // Without a round in progress, states and frames of the next plan arrive.
            links.Await(isInterrupted);
            return false;
        }

        // Map: the gradient sums of this worker's micro-batches. Each slice is sent as soon as it is final.
        while (!work.IsDone)
        {
            if (isInterrupted() || !HasRoomForReport()) return false;
            _sendSeconds = 0;
            replica.Map.Compute(step.Round, work.Next, _sums.Place(work.Next, work.Merges), _send ??= Send, NextAfter(step, work));
            _sums.Complete(work.Merges);
            work.Advance();
            CountSent(ref _sentComputing);
            _times = _times with { Compute = _times.Compute + Lap() - _sendSeconds, Send = _times.Send + _sendSeconds };
        }

        // Reduce: the average over all workers' sums.
        if (!links.Await(isInterrupted)) return false;
        _times = _times with { Wait = _times.Wait + Lap() };
        CountSent(ref _sentWaiting);
        var average = links.TakeAverage();
        // What was summed has arrived: the update can use its memory.
        _sums.Clear();

        // Apply: the same update on every worker.
        double[] tallies = [.. average.Tallies];
        var update = step.Round.Kind == RoundKind.Train ? replica.Apply.Step(step.Round, average) : default;
        average.Release();
        var digest = replica.Digest();
        SaveIfDue(step, tallies);

        // Report.
        var reducing = links.Reducing;
        _times = _times with { Apply = Lap(), Reduce = (reducing - _reducing).TotalSeconds };
        _reducing = reducing;
        var report = new RoundReport(
            step.Round.Number, digest, tallies, update.LearningRate, update.GradientNorm, step.Range.Count, _times);
        outbox.Add(
            new(report, step.Round.Kind, SamplesOf(step.Round, step.Range), _sentComputing, _sentWaiting),
            isLast: step.Round.Number + 1 == step.Plan.EndRound);
        Stop();
        return true;
    }

    public void Dispose() => _sums.Dispose();

    /// <summary>A slice of the current micro-batch is final: adds it to its siblings, and sends it if that completes a sum.</summary>
    private void Send(int slice)
    {
        foreach (ref readonly var merge in _work!.Merges) _sums.AddSlice(merge, slice);
        if (_work.Completes is not { } node) return;
        var start = Stopwatch.GetTimestamp();
        links.Contribute(node, slice, 1, _sums.At(node));
        _sendSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>The micro-batch after the next one, whose samples can be fetched meanwhile.</summary>
    private static (Round, int)? NextAfter(ReplicaEffect.Step step, RoundWork work) =>
        work.AfterNext is { } next ? (step.Round, next) : step.Next;

    private static long SamplesOf(Round round, MicroBatchRange range) =>
        (long)round.Samples * range.End / round.MicroBatches - (long)round.Samples * range.First / round.MicroBatches;

    private bool HasRoomForReport()
    {
        if (outbox.MayApply) return true;
        outbox.Flush();
        return false;
    }

    /// <summary>Copies the state, which is all that training waits for; the copy leaves when nothing else does.</summary>
    private void SaveIfDue(ReplicaEffect.Step step, double[] tallies)
    {
        var (rounds, every, round) = (replica.Rounds, job.Checkpoint.EverySteps, step.Round);
        var metric = round.Kind == RoundKind.Evaluate && tallies.Length > Tally.FirstMetric
            ? job.Kind.Metric.Of(tallies.AsSpan(Tally.FirstMetric), (long)tallies[Tally.Samples])
            : double.NaN;
        var isBest = CheckpointRule.IsBest(rounds, every, round, metric, Best);
        // One of the plan's workers saves for all. While the checkpoint before is still on its way, this one would only queue up behind it.
        if ((!isBest && !CheckpointRule.IsDue(rounds, every, round)) || step.Plan.Workers[0] != worker || links.IsSendingCheckpoint) return;
        if (isBest) Best = metric;
        links.SendCheckpoint(step.Plan.Generation, round.Number + 1, replica.Serialize());
    }

    private void CountSent(ref long count) => count += links.ContributionBytesSent - _sentComputing - _sentWaiting;

    private double Lap()
    {
        var (start, now) = (_lapStart, Stopwatch.GetTimestamp());
        _lapStart = now;
        return Stopwatch.GetElapsedTime(start, now).TotalSeconds;
    }
}
