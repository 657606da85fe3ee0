using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor checks the rounds and parameters that workers report.</summary>
public sealed class CoordinatorReportTests : VirtualTimeKit
{
    [Fact]
    public async Task Replicas_that_differ_end_the_run_and_the_culprit_is_named()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[0].Say(BenchWorker.Applied(BenchWorker.Report(0)));
        await workers[0].RegisterAsync();
        workers[1].Say(BenchWorker.Applied(BenchWorker.Report(0) with { Digest = default }));
        var failure = await bench.FailureAsync();
        Assert.Equal(
            $"b, epoch 1, step 0: its parameters ({default(StateDigest)}) differ from those of a ({BenchWorker.Report(0).Digest})",
            failure);
        foreach (var worker in workers) Assert.Equal($"the job failed: {failure}", (await worker.HearAsync<Refused>()).Reason);
    }

    public static TheoryData<RoundReport> Malformed =>
    [
        BenchWorker.Report(0) with { Round = -1 },
        BenchWorker.Report(0) with { Round = long.MaxValue },
        BenchWorker.Report(0) with { Tallies = [] },
        BenchWorker.Report(0) with { Tallies = [4] },
        BenchWorker.Report(0) with { Tallies = [-4, 1, 1] },
        BenchWorker.Report(0) with { Tallies = [double.NaN, 1, 1] },
        BenchWorker.Report(0) with { Times = new(-1, 0, 0, 0) },
        BenchWorker.Report(0) with { Times = new(0, 0, double.NaN, 0) },
        BenchWorker.Report(0) with { Times = new(0, double.PositiveInfinity, 0, 0) },
    ];

    [Theory]
    [MemberData(nameof(Malformed), DisableDiscoveryEnumeration = true)]
    public async Task An_impossible_report_ends_the_run_and_names_the_worker(RoundReport report)
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        worker.Say(BenchWorker.Applied(report));
        Assert.StartsWith("worker", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_whose_reports_lack_rounds_is_turned_away_and_asked_for_them_when_it_returns()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[0].Say(BenchWorker.Applied(BenchWorker.Report(1)));
        Assert.Equal(
            new Refused("it reports round 1, but 0 of 3 rounds are done: those in between are missing", MayReturn: true),
            await workers[0].HearAsync<Refused>());
        Assert.False(bench.HasResult);
        var back = bench.Stranger();
        back.Send(bench.Actor, new Register(MessageCodec.Version, "a", "cpu", bench.Star.Token, 1, 2));
        var welcome = await back.ExpectMsgAsync<Welcome>();
        Assert.Equal((true, 0), (welcome.IsAdopted, welcome.ReportFrom));
    }

    [Fact]
    public async Task A_worker_that_cannot_report_the_missing_rounds_is_not_adopted()
    {
        using var bench = new CoordinatorBench(this);
        await bench.TrainAsync("a");
        var back = bench.Stranger();
        back.Send(bench.Actor, new Register(MessageCodec.Version, "b", "cpu", bench.Star.Token, 1, 2, ReportsFrom: 1));
        Assert.False((await back.ExpectMsgAsync<Welcome>()).IsAdopted);
    }

    [Fact]
    public async Task A_worker_that_stops_with_rounds_no_worker_has_reported_is_turned_away_and_may_return()
    {
        using var bench = new CoordinatorBench(this);
        await bench.TrainAsync("a");
        // The worker returns with all rounds applied and says that it can report them, but does not.
        var back = await bench.RegisterAsync("a", new(1, 3));
        await back.LinkAsync();
        back.Say(CoordinatorBench.Facts with { Generation = 1, Applied = 3 });
        await back.HaltAsync((await back.HearAsync<Halt>()).Generation, applied: 3, isHeard: true);
        Assert.Equal(
            new Refused(
                "it holds 3 rounds, but 0 of 3 are reported, and it has no reports of the others: the worker that had them is gone",
                MayReturn: true),
            await back.HearAsync<Refused>());
    }

    [Fact]
    public async Task An_evaluation_without_its_metric_ends_the_run_and_names_the_worker()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        worker.Say(BenchWorker.Applied(BenchWorker.Report(0), BenchWorker.Report(1), BenchWorker.Report(2) with { Tallies = [5, 1] }));
        Assert.StartsWith(
            "worker, epoch 1, step 2: 2 tallies are reported where at least 3",
            await bench.FailureAsync(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_before_the_sizes_are_known_ends_the_run()
    {
        using var bench = new CoordinatorBench(this);
        (await bench.RegisterAsync("worker")).Say(BenchWorker.Applied(BenchWorker.Report(0)));
        Assert.Equal("worker reports rounds before it was prepared", await bench.FailureAsync());
    }

    [Fact]
    public async Task An_empty_report_changes_nothing()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("worker");
        worker.Say(BenchWorker.Applied());
        await worker.RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task Workers_that_stop_with_different_parameters_end_the_job_and_the_mismatch_is_counted()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        await StepAsync(workers, new(1, 0, 3, ["a", "b"], Topology.Star, [], [], []), 0);
        workers[1].Say(new Leave("it wants to"));
        foreach (var worker in workers)
        {
            await worker.HearAsync<Halt>();
            worker.Say(new Halted(2, 1, new(1, worker.Id == "a" ? 1UL : 2)));
        }
        Assert.Contains("differ", await bench.FailureAsync(), StringComparison.Ordinal);
        Assert.Equal(1, await bench.Registry.ValueAsync(MetricNames.DigestMismatches));
    }
}
