using Distributed.Coordinator.Chaos;

namespace Distributed.Coordinator.Tests.Chaos;

public sealed class ChaosVictimTests
{
    private static readonly Gen<ChaosCandidate[]> _anyCluster =
        Gen.Select(Gen.Bool, Gen.Bool, Gen.Bool).Array[0, 6].Select(states =>
            states.Select((state, i) => new ChaosCandidate($"worker-{i + 1}", state.Item1, state.Item2, state.Item3)).ToArray());

    private static readonly Gen<ChaosKind> _anyHit = Gen.OneOfConst(ChaosKind.KillWorker, ChaosKind.FreezeWorker, ChaosKind.Drain);

    [Fact]
    public void A_live_worker_that_holds_the_parameters_is_left() =>
        Gen.Select(_anyHit, _anyCluster, Gen.Long, Gen.Int[0, 1000]).Sample((kind, workers, seed, fault) =>
        {
            var holders = workers.Where(worker => worker is { TakesPart: true, IsFrozen: false, IsLeaving: false }).ToList();
            if (ChaosVictim.Choose(kind, workers, seed, fault) is not { } name)
            {
                Assert.True(holders.Count < 2);
                return;
            }
            var victim = Assert.Single(workers, worker => worker.Name == name);
            Assert.False(victim.IsFrozen || victim.IsLeaving);
            Assert.True(victim.TakesPart || kind == ChaosKind.KillWorker);
            Assert.True(kind == ChaosKind.Drain || holders.Any(holder => holder != victim));
        });

    [Fact]
    public void The_choice_depends_only_on_the_seed_and_the_number_of_the_fault() =>
        Gen.Select(_anyHit, _anyCluster, Gen.Long, Gen.Int[0, 1000]).Sample((kind, workers, seed, fault) => Assert.Equal(
            ChaosVictim.Choose(kind, workers, seed, fault), ChaosVictim.Choose(kind, workers.Reverse(), seed, fault)));

    [Fact]
    public void Every_worker_is_hit_at_some_time()
    {
        ChaosCandidate[] workers = [new("worker-1", TakesPart: true), new("worker-2", TakesPart: true), new("worker-3", TakesPart: false)];
        Assert.Equal(["worker-1", "worker-2", "worker-3"], Hit(ChaosKind.KillWorker));
        Assert.Equal(["worker-1", "worker-2"], Hit(ChaosKind.FreezeWorker));
        Assert.Equal(["worker-1", "worker-2"], Hit(ChaosKind.Drain));

        IEnumerable<string?> Hit(ChaosKind kind) =>
            Enumerable.Range(0, 100).Select(fault => ChaosVictim.Choose(kind, workers, 1, fault)).Distinct().Order();
    }

    [Fact]
    public void The_last_holder_of_the_parameters_may_leave_but_not_die()
    {
        ChaosCandidate[] workers =
            [new("worker-1", TakesPart: true), new("worker-2", TakesPart: true, IsFrozen: true), new("worker-3", TakesPart: false)];
        Assert.Null(ChaosVictim.Choose(ChaosKind.KillWorker, workers, 1, 0));
        Assert.Null(ChaosVictim.Choose(ChaosKind.FreezeWorker, workers, 1, 0));
        Assert.Equal("worker-1", ChaosVictim.Choose(ChaosKind.Drain, workers, 1, 0));
    }

    [Fact]
    public void A_frozen_or_leaving_worker_is_not_live()
    {
        ChaosCandidate[] workers =
        [
            new("worker-1", TakesPart: false), new("worker-2", TakesPart: true, IsFrozen: true),
            new("worker-3", TakesPart: true, IsLeaving: true),
        ];
        Assert.Equal(1, workers.Count(worker => worker.IsLive));
    }
}
