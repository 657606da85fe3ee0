using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// The states that replicas may have: those of a plain loop, or, in a relaxed job, where states depend on the workers, one for each round
/// and plan that was not rolled back, unless a checkpoint restores it.
/// </summary>
internal sealed class SimulatedLineage(Rounds rounds, int workers, Census census)
{
    private readonly Dictionary<(int Generation, long Round), long> _states = [];
    private readonly SortedDictionary<long, long> _current = new() { [0] = 0 };
    private readonly long[] _reference = SimulatedVectors.Reference(rounds, workers);
    private int _newestPlan;

    /// <summary>A plan begins: what of a relaxed job was done after its first round is rolled back.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="present">Its workers.</param>
    /// <param name="stored">The newest checkpoint that the coordinator knows.</param>
    public void Began(Plan plan, IReadOnlyCollection<SimulatedWorker> present, StoredState? stored)
    {
        _newestPlan = Math.Max(_newestPlan, plan.Generation);
        if (!rounds.Relaxed) return;
        if (present.FirstOrDefault() is { } first && stored == new StoredState(plan.FirstRound, first.Digest)
            && _current.GetValueOrDefault(plan.FirstRound) != first.State)
        {
            // The checkpoint was stored before its rounds were rolled back, or could not be read for a while.
            Assert.Contains(_states, known => known.Key.Round + 1 == plan.FirstRound && known.Value == first.State);
            census.Count("rolled-back rounds continued from a checkpoint");
            _current[plan.FirstRound] = first.State;
        }
        Assert.All(present, worker => Check(plan.FirstRound, worker.State));
        if (_current.Keys.Max() > plan.FirstRound) census.Count("relaxed job rolled back");
        foreach (var gone in _current.Keys.Where(round => round > plan.FirstRound).ToList()) _current.Remove(gone);
    }

    /// <summary>A replica has applied a round.</summary>
    public void Applied(int generation, long round, long state)
    {
        if (!rounds.Relaxed) Check(round + 1, state);
        else if (!_states.TryAdd((generation, round), state)) Assert.Equal(_states[(generation, round)], state);
        // A worker that has not heard of the newest plan yet may go on under a superseded one.
        if (generation >= _newestPlan) _current[round + 1] = state;
    }

    /// <summary>Checks the state after so many rounds.</summary>
    public void Check(long applied, long state) => Assert.Equal(rounds.Relaxed ? _current[applied] : _reference[applied], state);
}
