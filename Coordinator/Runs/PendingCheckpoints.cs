using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Runs;

internal sealed record CheckpointFacts(long Step, long Round, int Epoch, StateDigest Digest, EpochResult? Evaluation);

/// <summary>The states that were received and are not stored yet: at most one per kind of round.</summary>
internal sealed class PendingCheckpoints
{
    private readonly SortedDictionary<RoundKind, (long Applied, byte[] State)> _unstored = [];

    /// <returns>The number of applied rounds of the state that this one replaces; null if it replaces none.</returns>
    public long? Add(long applied, byte[] state, Rounds rounds)
    {
        if (applied < 1 || applied > rounds.Count) return null;
        // An evaluated state may be the best one: a state of the other kind does not replace it.
        var kind = rounds.At(applied - 1).Kind;
        long? replaced = _unstored.TryGetValue(kind, out var late) ? late.Applied : null;
        _unstored[kind] = (applied, state);
        return replaced;
    }

    /// <summary>Removes and returns the state to store next; null while no round of these states is reported.</summary>
    public (CheckpointFacts Facts, byte[] State)? Next(Func<long, CheckpointFacts?> factsAfter)
    {
        foreach (var (kind, (applied, state)) in _unstored.Reverse())
        {
            if (factsAfter(applied) is not { } facts) continue;
            _unstored.Remove(kind);
            return (facts, state);
        }
        return null;
    }

    /// <summary>Drops states past the plan's first round: the workers repeat those rounds, with other bits in an inexact job.</summary>
    public void Begin(Plan plan)
    {
        foreach (var (kind, _) in _unstored.Where(waiting => waiting.Value.Applied > plan.FirstRound).ToList()) _unstored.Remove(kind);
    }
}

/// <summary>The digests and evaluations of recent rounds, for the manifests of checkpoints that are still to arrive.</summary>
internal sealed class ReportedStates(long everySteps, bool isExact)
{
    private const int Max = 64; // More than the rounds between two stored checkpoints.

    private readonly SortedDictionary<long, StateDigest> _digests = [];
    private readonly Queue<EpochResult> _evaluations = [];

    public void Add(EpochResult evaluation)
    {
        _evaluations.Enqueue(evaluation);
        if (_evaluations.Count > Max) _evaluations.Dequeue();
    }

    public void Add(Rounds rounds, Round round, StateDigest digest)
    {
        if (round.Kind == RoundKind.Train && !CheckpointRule.IsDue(rounds, everySteps, round)) return;
        _digests[round.Number + 1] = digest;
        if (_digests.Count > Max) _digests.Remove(_digests.Keys.First());
    }

    /// <summary>Forgets rounds that the plan repeats if they may have other bits the next time.</summary>
    public void Begin(Plan plan)
    {
        if (isExact) return;
        foreach (var applied in _digests.Keys.Where(applied => applied > plan.FirstRound).ToList()) _digests.Remove(applied);
    }

    /// <returns>Null if no checkpoint is due after so many rounds, or if the last of them is not reported yet.</returns>
    public CheckpointFacts? After(Rounds? rounds, long applied)
    {
        if (!_digests.TryGetValue(applied, out var digest)) return null;
        var round = rounds!.At(applied - 1);
        return round.Kind == RoundKind.Evaluate
            ? new(round.Step, applied, round.Epoch + 1, digest, _evaluations.FirstOrDefault(e => e.Epoch == round.Epoch + 1))
            : new(round.Step + 1, applied, round.Epoch + 1, digest, Evaluation: null);
    }
}
