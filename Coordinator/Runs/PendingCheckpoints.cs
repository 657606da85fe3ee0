using Distributed.Core.Planning;

namespace Distributed.Coordinator.Runs;

/// <summary>The states that have come and are not stored yet, at most one for each kind of round. Decides which of them is stored next.</summary>
internal sealed class PendingCheckpoints
{
    private readonly SortedDictionary<RoundKind, (long Applied, byte[] State)> _unstored = [];

    /// <param name="state">The state, as a safetensors file.</param>
    /// <returns>Rounds that the state had applied which this one takes the place of; null where it takes the place of no other.</returns>
    public long? Add(long applied, byte[] state, Rounds rounds)
    {
        if (applied < 1 || applied > rounds.Count) return null;
        // One that an evaluation was of may be the best: a state of the other kind does not take its place.
        var kind = rounds.At(applied - 1).Kind;
        long? leftOut = _unstored.TryGetValue(kind, out var late) ? late.Applied : null;
        _unstored[kind] = (applied, state);
        return leftOut;
    }

    /// <summary>Takes out the state that is to be stored next.</summary>
    /// <param name="factsAfter">What is known of the state after so many rounds; null where that has not been reported yet.</param>
    /// <returns>Null where there is none whose round was reported.</returns>
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

    /// <summary>A plan begins: what was computed after its first round is computed again, in an inexact job to other bits.</summary>
    public void Begin(Plan plan)
    {
        foreach (var gone in _unstored.Where(waiting => waiting.Value.Applied > plan.FirstRound).Select(waiting => waiting.Key).ToList()) _unstored.Remove(gone);
    }
}
