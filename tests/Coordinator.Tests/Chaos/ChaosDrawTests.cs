using Distributed.Coordinator.Chaos;

namespace Distributed.Coordinator.Tests.Chaos;

public sealed class ChaosDrawTests
{
    private static readonly Gen<(long Seed, int Count, long Steps, int Workers)> _anyDraw =
        from seed in Gen.Long[0, long.MaxValue]
        from count in Gen.Int[1, 60]
        from steps in Gen.Long[count, 100_000]
        from workers in Gen.Int[1, 8]
        select (seed, count, steps, workers);

    [Fact]
    public void The_same_seed_draws_the_same_faults() => _anyDraw.Sample(draw =>
    {
        var plan = $"random:{draw.Seed}:{draw.Count}";
        Assert.Equal(Faults(plan, draw.Steps, draw.Workers), Faults(plan, draw.Steps, draw.Workers));
    });

    /// <summary>A seed that has found a bug must keep drawing the same faults.</summary>
    [Fact]
    public void A_draw_is_the_same_on_every_machine() => Assert.Equal(
        "restart-coordinator@18,join@41,freeze-worker@72:1200ms,kill-worker@104,kill-worker@137,join@137,kill-worker@159,join@159",
        string.Join(',', Faults("random:7:6", 345, 3)));

    [Fact]
    public void Other_seeds_draw_other_faults() => Assert.NotEqual(Faults("random:1:10", 1000, 3), Faults("random:2:10", 1000, 3));

    [Fact]
    public void As_many_faults_as_asked_for_are_spread_over_the_job() => _anyDraw.Sample(draw =>
    {
        var faults = ChaosDraw.Faults(draw.Seed, draw.Count, draw.Steps, draw.Workers);
        Assert.Equal(faults.OrderBy(fault => fault.Step), faults);
        Assert.All(faults, fault => Assert.InRange(fault.Step, 1, draw.Steps));
        Assert.All(faults, fault => Assert.Equal(fault.Kind == ChaosKind.FreezeWorker, fault.Duration > TimeSpan.Zero));
        // Each stretch has a step of its own; a join that comes with a kill shares its step.
        Assert.Equal(draw.Count, faults.Select(fault => fault.Step).Distinct().Count());
        Assert.All(faults.GroupBy(fault => fault.Step).Where(same => same.Count() > 1), same =>
            Assert.Equal([ChaosKind.KillWorker, ChaosKind.Join], same.Select(fault => fault.Kind)));
    });

    [Fact]
    public void The_number_of_workers_stays_about_the_same() => _anyDraw.Sample(draw =>
    {
        var live = draw.Workers;
        foreach (var fault in ChaosDraw.Faults(draw.Seed, draw.Count, draw.Steps, draw.Workers))
        {
            if (fault.Kind == ChaosKind.Join) live++;
            // As in the check, which replaces a worker if another would be left alone.
            if (fault.Kind is ChaosKind.KillWorker or ChaosKind.Drain && --live < ChaosVictim.MinLive) live++;
            Assert.InRange(live, 1, draw.Workers + 1);
        }
    });

    [Fact]
    public void Every_kind_of_fault_except_kill_all_workers_is_drawn_with_and_without_a_replacement()
    {
        var faults = Faults("random:1:200", 100_000, 8);
        Assert.Equal(Enum.GetValues<ChaosKind>().Where(kind => kind != ChaosKind.KillAllWorkers),
            faults.Select(fault => fault.Kind).Distinct().Order());
        var kills = faults.Where(fault => fault.Kind == ChaosKind.KillWorker)
            .ToLookup(kill => faults.Contains(new(ChaosKind.Join, kill.Step)));
        Assert.InRange(kills[true].Count(), 10, 60);
        Assert.InRange(kills[false].Count(), 10, 60);
    }

    private static IReadOnlyList<ChaosFault> Faults(string plan, long steps, int workers) => ChaosPlan.Parse(plan).For(steps, workers);
}
