using System.Diagnostics.CodeAnalysis;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Runs;

/// <summary>Which rounds are applied, with which samples, and whether all replicas agree on the result of each.</summary>
internal sealed class RunLedger(Rounds rounds, bool isExact, long entered = 0, int metricSums = 1)
{
    private readonly Dictionary<long, (string Worker, StateDigest Digest)> _digests = [];

    // The last reported round of each worker of the plan.
    private readonly Dictionary<string, long> _reported = new(StringComparer.Ordinal);

    // Digests before this round are forgotten; _behind workers of the plan have not reported this round yet.
    private long _oldest = entered;
    private int _behind;

    public long Entered { get; private set; } = entered; // Rounds that are entered, in order and each once.
    public bool HasMismatch { get; private set; } // Whether two replicas reported different bits.
    public long SamplesApplied { get; private set; } = SamplesBefore(rounds, entered);
    public long SamplesExpected => (long)rounds.TrainSamples * rounds.Epochs;

    /// <summary>Why a run with the final parameters is not complete; null if every round is entered.</summary>
    public string? Shortfall => Entered == rounds.Count ? null
        : $"all {rounds.Count} rounds are applied, but only {Entered} rounds were reported "
            + $"({SamplesApplied} of {SamplesExpected} samples): the other reports were lost with the workers that had them. "
            + "--resume repeats those rounds from the newest checkpoint";

    /// <summary>Why a report of this round is too early; null if the rounds before it are entered.</summary>
    public string? GapBefore(long round) => round > Entered && round < rounds.Count
        ? $"it reports round {round}, but {Entered} of {rounds.Count} rounds are done: those in between are missing"
        : null;

    /// <summary>Why a worker with so many applied rounds, all its reports sent, must be refused; null if all of them are entered.</summary>
    public string? UnreportedBy(long applied) => applied > Entered && applied <= rounds.Count
        ? $"it holds {applied} rounds, but {Entered} of {rounds.Count} are reported, and it has no reports of the others: "
            + "the worker that had them is gone"
        : null;

    /// <param name="round">The round, if this is its first report.</param>
    public string? Enter(string worker, RoundReport report, [NotNullWhen(true)] out Round? round)
    {
        round = null;
        if (report.Round < 0 || report.Round > Entered || report.Round >= rounds.Count)
            return $"{worker} reports round {report.Round}, but {Entered} of {rounds.Count} rounds are done";
        var current = rounds.At(report.Round);
        // Only an evaluation needs the sums of the metric.
        var needed = current.Kind == RoundKind.Evaluate ? Tally.FirstMetric + metricSums : Tally.FirstMetric;
        if (report.Tallies.Length < needed)
            return $"{What()}: {report.Tallies.Length} tallies are reported where at least {needed} are needed";
        var times = report.Times;
        if (!IsTime(times.Compute) || !IsTime(times.Send) || !IsTime(times.Wait) || !IsTime(times.Apply) || !IsTime(times.Reduce))
            return $"{What()}: impossible times are reported: {times}";
        if (report.Tallies[Tally.Samples] != current.Samples)
            return $"{What()}: {report.Tallies[Tally.Samples]} samples were applied where the round has {current.Samples}";
        if (_digests.TryGetValue(report.Round, out var known))
        {
            if (known.Digest != report.Digest)
            {
                HasMismatch = true;
                return $"{What()}: its parameters ({report.Digest}) differ from those of {known.Worker} ({known.Digest})";
            }
        }
        else if (report.Round >= _oldest) _digests.Add(report.Round, (worker, report.Digest));
        if (report.Round == Entered)
        {
            Entered++;
            if (current.Kind == RoundKind.Train) SamplesApplied += current.Samples;
            round = current;
        }
        Reported(worker, report.Round);
        return null;

        string What() => $"{worker}, epoch {current.Epoch + 1}, step {current.Step}";
    }

    // A plan begins. The digest of a round is kept until all workers of the plan have reported that round. A repeated round stays as it
    // was entered first, also in the history.
    public void Begin(Plan plan)
    {
        // The workers that applied these rounds are gone, and others repeat them. In an exact job the bits must be the same: only this
        // comparison detects a differing gradient, which all replicas apply alike.
        if (!isExact)
            for (var round = plan.FirstRound; round < Entered; round++) _digests.Remove(round);
        _oldest = Math.Min(_oldest, plan.FirstRound);
        _reported.Clear();
        foreach (var worker in plan.Workers) _reported[worker] = Math.Min(plan.FirstRound, Entered) - 1;
        Forget();
    }

    private void Reported(string worker, long round)
    {
        if (!_reported.TryGetValue(worker, out var last) || round <= last) return;
        _reported[worker] = round;
        // Visits all workers once a round at most, not at every report.
        if (last < _oldest && round >= _oldest && --_behind == 0) Forget();
    }

    private void Forget()
    {
        var all = Entered - 1;
        foreach (var (_, last) in _reported) all = Math.Min(all, last);
        for (; _oldest <= all; _oldest++) _digests.Remove(_oldest);
        _behind = 0;
        foreach (var (_, last) in _reported)
            if (last < _oldest) _behind++;
    }

    private static long SamplesBefore(Rounds rounds, long number)
    {
        var steps = rounds.StepsBefore(number);
        return (steps / rounds.StepsPerEpoch * rounds.TrainSamples) + (steps % rounds.StepsPerEpoch * rounds.Batch);
    }

    private static bool IsTime(double seconds) => seconds >= 0 && double.IsFinite(seconds);
}
