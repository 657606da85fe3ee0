using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Single decisions of a worker's protocol; the simulation of a cluster tests the protocol as a whole.</summary>
public sealed class ReplicaProtocolTests
{
    /// <summary>Two steps and an evaluation.</summary>
    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly ReplicaProtocol _new = new("b", _rounds);

    /// <summary>In the second round under the third generation.</summary>
    private static readonly ReplicaProtocol _training = new("b", _rounds, Applied: 1, Generation: 3, Plan: PlanOf(3, 1));

    private static readonly ReplicaProtocol _halted = _training with { Generation = 4, Plan = null };

    [Fact]
    public void A_plan_starts_the_round_that_is_next()
    {
        var plan = PlanOf(4, 1);
        var (state, effects) = _halted.Handle(new ReplicaEvent.PlanBegan(plan));
        Assert.Equal(
            [
                new ReplicaEffect.Begin(plan, default, double.NaN),
                new ReplicaEffect.Step(plan, _rounds.At(1), new(1, 1), (_rounds.At(2), 0)),
            ],
            effects);
        Assert.Equal(4, state.Plan!.Generation);
    }

    [Fact]
    public void In_a_relaxed_job_the_plan_decides_the_micro_batches_of_a_round()
    {
        var relaxed = new ReplicaProtocol("b", _rounds with { MicroBatches = 4, Relaxed = true }, Generation: 4);
        var plan = PlanOf(4, 0);
        var (state, effects) = relaxed.Handle(new ReplicaEvent.PlanBegan(plan));
        var (first, second) = (relaxed.Rounds.At(0) with { MicroBatches = 2 }, relaxed.Rounds.At(1) with { MicroBatches = 2 });
        Assert.Equal(new ReplicaEffect.Step(plan, first, new(1, 1), (second, 1)), effects[^1]);
        Assert.Equal(
            new ReplicaEffect.Step(plan, second, new(1, 1), (relaxed.Rounds.At(2), 0)),
            state.Handle(new ReplicaEvent.RoundApplied()).Effects[0]);
    }

    [Fact]
    public void A_plan_of_the_past_is_ignored() => AssertIgnores(_halted, new ReplicaEvent.PlanBegan(PlanOf(3, 1)));

    [Fact]
    public void A_replica_rejects_a_plan_that_it_cannot_follow()
    {
        var early = new ReplicaEvent.PlanBegan(PlanOf(4, 0));
        Assert.Equal("generation 4 starts at round 0, but this replica has applied 1 rounds",
            Assert.Throws<ProtocolException>(() => _halted.Handle(early)).Message);
        var foreign = new ReplicaEvent.PlanBegan(PlanOf(4, 1) with { Workers = ["a"] });
        Assert.Equal("generation 4 has no part for b", Assert.Throws<ProtocolException>(() => _halted.Handle(foreign)).Message);
    }

    [Fact]
    public void A_halted_replica_keeps_its_rounds_and_reports_their_number()
    {
        var (state, effects) = _training.Handle(new ReplicaEvent.HaltAsked(4));
        Assert.Equal([new ReplicaEffect.Fence(4), new ReplicaEffect.ReportHalted(4, 1)], effects);
        Assert.Equal(_halted, state);
    }

    [Fact]
    public void A_halt_of_the_past_is_ignored() =>
        Gen.Int[0, 3].Sample(generation => AssertIgnores(_training, new ReplicaEvent.HaltAsked(generation)));

    [Fact]
    public void When_a_round_is_applied_the_next_one_starts()
    {
        var (state, effects) = _training.Handle(new ReplicaEvent.RoundApplied());
        Assert.Equal([new ReplicaEffect.Step(_training.Plan!, _rounds.At(2), new(0, 1), null)], effects);
        Assert.Equal(2, state.Applied);
    }

    [Fact]
    public void Without_a_plan_no_round_is_applied() =>
        Assert.Throws<InvalidOperationException>(() => _halted.Handle(new ReplicaEvent.RoundApplied()));

    [Fact]
    public void After_the_last_round_of_a_plan_a_replica_does_nothing()
    {
        var last = new ReplicaProtocol("b", _rounds, 2, 3, PlanOf(3, 2));
        var (state, effects) = last.Handle(new ReplicaEvent.RoundApplied());
        Assert.Empty(effects);
        Assert.Equal(_rounds.Count, state.Applied);
    }

    [Fact]
    public void A_state_replaces_the_rounds_of_a_halted_replica()
    {
        var (newcomer, _) = _new.Handle(new ReplicaEvent.HaltAsked(4));
        var (state, effects) = newcomer.Handle(new ReplicaEvent.StateArrived(4, 2));
        Assert.Equal([new ReplicaEffect.Restore(), new ReplicaEffect.ReportSynced(4, 2)], effects);
        Assert.Equal(2, state.Applied);
    }

    [Fact]
    public void A_state_that_arrives_too_late_is_ignored() => Gen.Int[0, 6].Sample(generation =>
    {
        AssertIgnores(_training, new ReplicaEvent.StateArrived(generation, 2));
        if (generation != 4) AssertIgnores(_halted, new ReplicaEvent.StateArrived(generation, 2));
    });

    private static Plan PlanOf(int generation, long first) => new(generation, first, _rounds.Count, ["a", "b"], Topology.Mesh);

    private static void AssertIgnores(ReplicaProtocol before, ReplicaEvent happened)
    {
        var (after, effects) = before.Handle(happened);
        Assert.Empty(effects);
        Assert.Same(before, after);
    }
}
