using System.Diagnostics.CodeAnalysis;
using Distributed.Shared.Kernel;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// The books of a run: which rounds are applied, with which samples, and whether all replicas agree on the result of each.
/// </summary>
/// <param name="rounds">The job's rounds.</param>
public sealed class RunLedger(Rounds rounds)
{
    private readonly Dictionary<long, (string Worker, StateDigest Digest)> _digests = [];
    private readonly Dictionary<string, long> _reported = new(StringComparer.Ordinal);

    /// <summary>Rounds entered, in order and each once.</summary>
    public long Entered { get; private set; }

    /// <summary>Training samples applied.</summary>
    public long SamplesApplied { get; private set; }

    /// <summary>Training samples of the whole job.</summary>
    public long SamplesExpected => (long)rounds.TrainSamples * rounds.Epochs;

    /// <summary>Takes in one report of a worker.</summary>
    /// <param name="worker">Id of the worker.</param>
    /// <param name="report">What it reports.</param>
    /// <param name="round">The round, if this is the first report of it.</param>
    /// <returns>What is wrong, in a user's words; null if nothing is.</returns>
    public string? Enter(string worker, RoundReport report, [NotNullWhen(true)] out Round? round)
    {
        round = null;
        if (report.Round < 0 || report.Round > Entered || report.Round >= rounds.Count)
            return $"{worker} reports round {report.Round}, but {Entered} of {rounds.Count} rounds are done";
        var current = rounds.At(report.Round);
        var what = $"{worker}, epoch {current.Epoch + 1}, step {current.Step}";
        // An evaluation is worth a round for its metric; a step can do without.
        var needed = current.Kind == RoundKind.Evaluate ? Tally.FirstMetric + 1 : Tally.FirstMetric;
        if (report.Tallies.Length < needed) return $"{what}: {report.Tallies.Length} tallies are reported where at least {needed} are needed";
        if (!IsTime(report.Times.Compute) || !IsTime(report.Times.Send) || !IsTime(report.Times.Wait) || !IsTime(report.Times.Apply))
            return $"{what}: impossible times are reported: {report.Times}";
        if (report.Tallies[Tally.Samples] != current.Samples)
            return $"{what}: {report.Tallies[Tally.Samples]} samples were applied where the round has {current.Samples}";
        if (_digests.TryGetValue(report.Round, out var known) && known.Digest != report.Digest)
            return $"{what}: its parameters ({report.Digest}) differ from those of {known.Worker} ({known.Digest})";
        _reported[worker] = report.Round;
        _digests.TryAdd(report.Round, (worker, report.Digest));
        if (report.Round < Entered) return null;
        Entered++;
        if (current.Kind == RoundKind.Train) SamplesApplied += current.Samples;
        round = current;
        return null;
    }

    /// <summary>These workers go on; digests that all of them have reported are not needed any more.</summary>
    public void Forget(IEnumerable<string> workers)
    {
        var all = workers.Min(worker => _reported.GetValueOrDefault(worker, -1));
        foreach (var round in _digests.Keys.Where(round => round <= all).ToList()) _digests.Remove(round);
    }

    private static bool IsTime(double seconds) => seconds >= 0 && double.IsFinite(seconds);
}
