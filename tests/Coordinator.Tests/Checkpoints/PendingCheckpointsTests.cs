using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;

namespace Distributed.Coordinator.Tests.Checkpoints;

public sealed class PendingCheckpointsTests
{
    /// <summary>Three steps and an evaluation, twice.</summary>
    private static readonly Rounds _rounds = new(TrainSamples: 3, TestSamples: 1, Epochs: 2, Batch: 1, MicroBatches: 1);

    private readonly PendingCheckpoints _pending = new();

    [Fact]
    public void A_newer_state_replaces_an_older_one_of_its_kind_and_evaluated_states_are_stored_first()
    {
        Assert.Null(_pending.Add(1, [1], _rounds));
        Assert.Null(_pending.Add(4, [4], _rounds));
        Assert.Equal(1, _pending.Add(2, [2], _rounds));
        Assert.Null(_pending.Next(_ => null));
        Assert.Equal([4], _pending.Next(Facts)!.Value.State);
        Assert.Equal([2], _pending.Next(Facts)!.Value.State);
        Assert.Null(_pending.Next(Facts));
    }

    [Fact]
    public void States_of_repeated_or_impossible_rounds_are_not_stored()
    {
        _pending.Add(2, [2], _rounds);
        _pending.Add(4, [4], _rounds);
        _pending.Begin(new(2, FirstRound: 2, _rounds.Count, ["a"], Topology.Star));
        _pending.Add(0, [0], _rounds);
        _pending.Add(9, [9], _rounds);
        Assert.Equal(2, _pending.Next(Facts)!.Value.Facts.Round);
        Assert.Null(_pending.Next(Facts));
    }

    private static CheckpointFacts? Facts(long applied) => new(_rounds.StepsBefore(applied), applied, 1, default, null);
}
