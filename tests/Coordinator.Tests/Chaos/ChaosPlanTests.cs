using Distributed.Coordinator.Chaos;

namespace Distributed.Coordinator.Tests.Chaos;

public sealed class ChaosPlanTests
{
    private const string AllowedFaults = "allowed: kill-worker, kill-all-workers, freeze-worker, drain, join, restart-coordinator, "
        + "for example kill-worker@30,freeze-worker@60:5s,join@80 or random:7:10";

    private static readonly Gen<ChaosFault> _anyFault =
        from kind in Gen.Enum<ChaosKind>()
        from step in Gen.Long[1, long.MaxValue]
        from milliseconds in Gen.Int[1, (int)ChaosPlan.MaxDuration.TotalMilliseconds]
        select new ChaosFault(kind, step, kind == ChaosKind.FreezeWorker ? TimeSpan.FromMilliseconds(milliseconds) : default);

    [Fact]
    public void A_plan_orders_its_faults_by_step() => Assert.Equal(
        [
            new(ChaosKind.KillWorker, 30),
            new(ChaosKind.FreezeWorker, 60, TimeSpan.FromSeconds(5)),
            new(ChaosKind.Join, 80),
            new(ChaosKind.Drain, 80),
            new(ChaosKind.RestartCoordinator, 100),
        ],
        ChaosPlan.Parse("restart-coordinator@100, join@80, kill-worker@30, drain@80, freeze-worker@60:5000ms").Named);

    [Fact]
    public void A_written_plan_parses_to_the_same_plan() => _anyFault.Array[1, 10].Sample(faults =>
    {
        var plan = ChaosPlan.Parse(string.Join(',', faults.AsEnumerable()));
        Assert.Equal(faults.OrderBy(fault => fault.Step), plan.Named);
        Assert.Equal(plan.Named, plan.For(long.MaxValue, 2));
    });

    [Fact]
    public void Malformed_text_is_only_refused() =>
        Gen.Select(_anyFault, Gen.String, Gen.Int[0, 40]).Sample((fault, noise, at) =>
        {
            var text = $"{fault}";
            try
            {
                ChaosPlan.Parse(text.Insert(Math.Min(at, text.Length), noise));
            }
            catch (ChaosException refused)
            {
                Assert.StartsWith("--chaos ", refused.Message, StringComparison.Ordinal);
                Assert.DoesNotContain(refused.Message, char.IsControl);
            }
        });

    [Theory]
    [InlineData("", $"--chaos \"\": the fault is missing; {AllowedFaults}")]
    [InlineData("kill@30", $"--chaos kill@30: unknown fault kill; {AllowedFaults}")]
    [InlineData("join@3,", $"--chaos \"\": the fault is missing; {AllowedFaults}")]
    [InlineData("join@3,random:1:2", $"--chaos random:1:2: unknown fault random:1:2; {AllowedFaults}")]
    [InlineData("join", "--chaos join: the step is missing; allowed: @ and a whole number from 1, for example join@30")]
    [InlineData("join@", "--chaos join@: the step is empty; allowed: a whole number from 1, for example join@30")]
    [InlineData("join@0", "--chaos join@0: the step is 0; allowed: a whole number from 1, for example join@30")]
    [InlineData("drain@-3", "--chaos drain@-3: the step is -3; allowed: a whole number from 1, for example drain@30")]
    [InlineData("kill-worker@3:5s",
        "--chaos kill-worker@3:5s: the duration is 5s; kill-worker takes no duration, for example kill-worker@30")]
    [InlineData("freeze-worker@3",
        "--chaos freeze-worker@3: the duration is missing; allowed: a colon and 1ms to 600s, for example freeze-worker@30:5s")]
    [InlineData("freeze-worker@3:",
        "--chaos freeze-worker@3:: the duration is empty; allowed: 1ms to 600s, in ms or s, for example freeze-worker@30:5s")]
    [InlineData("freeze-worker@3:5",
        "--chaos freeze-worker@3:5: the duration is 5; allowed: 1ms to 600s, in ms or s, for example freeze-worker@30:5s")]
    [InlineData("freeze-worker@3:0s",
        "--chaos freeze-worker@3:0s: the duration is 0s; allowed: 1ms to 600s, in ms or s, for example freeze-worker@30:5s")]
    [InlineData("freeze-worker@3:601s",
        "--chaos freeze-worker@3:601s: the duration is 601s; allowed: 1ms to 600s, in ms or s, for example freeze-worker@30:5s")]
    [InlineData("random", "--chaos random: malformed; allowed: random:SEED:COUNT and nothing else, for example random:7:10")]
    [InlineData("random:1:2,join@3",
        "--chaos random:1:2,join@3: the count is 2,join@3; allowed: a whole number from 1 to 1000, for example random:7:10")]
    [InlineData("random:x:2",
        "--chaos random:x:2: the seed is x; allowed: a whole number from 0 to 9223372036854775807, for example random:7:10")]
    [InlineData("random:1:0", "--chaos random:1:0: the count is 0; allowed: a whole number from 1 to 1000, for example random:7:10")]
    [InlineData("random:1:1001",
        "--chaos random:1:1001: the count is 1001; allowed: a whole number from 1 to 1000, for example random:7:10")]
    public void An_error_says_what_was_found_and_what_is_allowed(string plan, string message) =>
        Assert.Equal(message, Assert.Throws<ChaosException>(() => ChaosPlan.Parse(plan)).Message);

    [Theory]
    [InlineData("join@10,kill-worker@101", "--chaos kill-worker@101: the job has 100 steps; allowed: a step from 1 to 100")]
    [InlineData("random:7:101", "--chaos random:7:101: the job has 100 steps; allowed: a count from 1 to 100")]
    public void A_plan_for_a_longer_job_is_refused(string plan, string message) =>
        Assert.Equal(message, Assert.Throws<ChaosException>(() => ChaosPlan.Parse(plan).For(100, 2)).Message);
}
