using System.Diagnostics.CodeAnalysis;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Core.Scores;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// The books of a run: which rounds are applied, with which samples, and whether all replicas agree on the result of each.
/// </summary>
/// <param name="isExact">Whether a round gives the same bits whoever computes it.</param>
/// <param name="entered">Rounds that a coordinator before this one has entered.</param>
/// <param name="metricSums">What the job's metric is made of, at least: <see cref="Metric.Sums"/>.</param>
internal sealed class RunLedger(Rounds rounds, bool isExact, long entered = 0, int metricSums = 1)
{
    private readonly Dictionary<long, (string Worker, StateDigest Digest)> _digests = [];

    // By worker of the plan, the last round that it has reported.
    private readonly Dictionary<string, long> _reported = new(StringComparer.Ordinal);

    // Digests of the rounds before this one are forgotten; so many of the plan's workers have yet to report it.
    private long _oldest = entered;
    private int _behind;

    /// <summary>Rounds entered, in order and each once.</summary>
    public long Entered { get; private set; } = entered;

    /// <summary>Whether a replica had other bits than another.</summary>
    public bool HasMismatch { get; private set; }

    public long SamplesApplied { get; private set; } = SamplesBefore(rounds, entered);

    public long SamplesExpected => (long)rounds.TrainSamples * rounds.Epochs;

    /// <summary>Why the run must not be taken for complete, in a user's words; null where every round is entered.</summary>
    public string? Shortfall => Entered == rounds.Count ? null
        : $"the parameters after all {rounds.Count} rounds are there, but only {Entered} rounds were reported ({SamplesApplied} of {SamplesExpected} samples): the reports of the others are lost with the workers that had them. --resume does those rounds again, from the newest checkpoint";

    /// <summary>What is wrong with a report of this round, in a user's words: rounds before it are not entered, so that it is too early for it. Null where that is not so.</summary>
    public string? GapBefore(long round) => round > Entered && round < rounds.Count
        ? $"it reports round {round}, but {Entered} of {rounds.Count} rounds are done: those in between are missing"
        : null;

    /// <summary>What is wrong with a worker that holds so many rounds after all its reports, in a user's words: some of them are not entered. Null where that is not so.</summary>
    public string? UnreportedBy(long applied) => applied > Entered && applied <= rounds.Count
        ? $"it holds {applied} rounds, but {Entered} of {rounds.Count} are reported, and it has no reports of the others: the worker that had them is gone"
        : null;

    /// <param name="round">The round, if this is the first report of it.</param>
    /// <returns>What is wrong, in a user's words; null if nothing is.</returns>
    public string? Enter(string worker, RoundReport report, [NotNullWhen(true)] out Round? round)
    {
        round = null;
        if (report.Round < 0 || report.Round > Entered || report.Round >= rounds.Count)
            return $"{worker} reports round {report.Round}, but {Entered} of {rounds.Count} rounds are done";
        var current = rounds.At(report.Round);
        // An evaluation is worth a round for its metric; a step can do without.
        var needed = current.Kind == RoundKind.Evaluate ? Tally.FirstMetric + metricSums : Tally.FirstMetric;
        if (report.Tallies.Length < needed) return $"{What()}: {report.Tallies.Length} tallies are reported where at least {needed} are needed";
        if (!IsTime(report.Times.Compute) || !IsTime(report.Times.Send) || !IsTime(report.Times.Wait) || !IsTime(report.Times.Apply) || !IsTime(report.Times.Reduce))
            return $"{What()}: impossible times are reported: {report.Times}";
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

    /// <summary>
    /// A plan is in force: the digest of a round is kept until all of its workers have reported that round. A round that is done
    /// again stays as it was entered, also in the history: in an inexact job, a rounding away from what the model has gone through.
    /// </summary>
    /// <param name="plan">The plan. What was applied before it, its workers have reported before they stopped for it.</param>
    public void Begin(Plan plan)
    {
        // All who had applied these rounds are gone, and others do them again. The same bits have to come of it: nothing else
        // shows that a gradient differed, which all replicas apply alike. Where the bits depend on the workers, they may differ.
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
        // All workers are looked at once a round at most, not at each report.
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
