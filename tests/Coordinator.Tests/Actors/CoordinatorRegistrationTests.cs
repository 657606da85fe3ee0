using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor welcomes, names, refuses and turns away workers.</summary>
public sealed class CoordinatorRegistrationTests : VirtualTimeKit
{
    [Fact]
    public async Task A_worker_that_registers_again_is_welcomed_under_the_same_id()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("worker");
        var first = await worker.RegisterAsync();
        Assert.Equal(("worker", "the job", "127.0.0.1", bench.Star.Port), (first.Worker, first.Job, first.LinkHost, first.LinkPort));
        Assert.Equal(bench.Star.Token, first.Token);
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        Assert.Equal("worker", (await worker.RegisterAsync()).Worker);
        Assert.Equal(["worker: preparing"], bench.View.Last.Workers.Select(w => $"{w.Name}: {w.Doing}"));
    }

    [Fact]
    public async Task A_newcomer_that_claims_to_hold_rounds_is_not_believed()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("a");
        await worker.LinkAsync();
        worker.Say(CoordinatorBench.Facts with { Generation = 1, Applied = 5 });
        var outcome = new TaskCompletionSource<DrainOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        worker.Probe.Send(bench.Actor, new CoordinatorNotice.Drain("a", outcome));
        Assert.Equal(DrainResult.Unknown, (await outcome.Task.Soon()).Result);
    }

    [Fact]
    public async Task Workers_of_the_same_name_get_different_ids()
    {
        using var bench = new CoordinatorBench(this);
        var ids = new List<string>();
        foreach (var name in (string[])["worker", "worker", "worker-2", "worker"]) ids.Add((await bench.RegisterAsync(name)).Id);
        Assert.Equal(["worker", "worker-2", "worker-2-2", "worker-3"], ids);
    }

    [Fact]
    public async Task Workers_of_the_same_name_of_maximal_length_get_different_ids_and_can_link()
    {
        using var bench = new CoordinatorBench(this, startWith: 13);
        var name = new string('n', 63);
        var workers = new List<BenchWorker>();
        for (var i = 0; i < 12; i++) workers.Add(await bench.JoinAsync(name));
        Assert.Equal(12, workers.Select(worker => worker.Id).Distinct().Count());
        Assert.All(workers, worker => Assert.Equal(63, worker.Id.Length));
        Assert.Equal((new string('n', 61) + "-2", new string('n', 60) + "-12"), (workers[1].Id, workers[11].Id));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a\n")]
    [InlineData("ä")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public async Task A_name_that_is_not_allowed_is_refused(string name)
    {
        using var bench = new CoordinatorBench(this);
        var stranger = bench.Stranger();
        stranger.Send(bench.Actor, new Register(MessageCodec.Version, name, "cpu", [], 0, 0));
        var refused = await stranger.ExpectMsgAsync<Refused>();
        Assert.StartsWith("its name is not allowed; allowed: 1 to 63", refused.Reason, StringComparison.Ordinal);
        await bench.RegisterAsync("worker");
    }

    [Fact]
    public async Task A_worker_that_speaks_another_version_of_the_protocol_is_refused()
    {
        using var bench = new CoordinatorBench(this);
        var stranger = bench.Stranger();
        stranger.Send(bench.Actor, new Register(99, "worker", "cpu", [], 0, 0));
        Assert.Equal(
            $"it speaks version 99 of the protocol, the coordinator version {MessageCodec.Version}",
            (await stranger.ExpectMsgAsync<Refused>()).Reason);
    }

    public static TheoryData<string, Prepared> Others => new()
    {
        { "its data differs", CoordinatorBench.Facts with { DataFingerprint = "other" } },
        { "its data differs", CoordinatorBench.Facts with { TrainSamples = 8 } },
        { "its data differs", CoordinatorBench.Facts with { TestSamples = 6 } },
        { "its model differs: 11 numbers a contribution; the job's has 10", CoordinatorBench.Facts with { Floats = 11 } },
        { "its model differs", CoordinatorBench.Facts with { StateBytes = 9 } },
        {
            "its initial parameters differ in their bits (other, the job's are initial)",
            CoordinatorBench.Facts with { InitialDigest = "other" }
        },
        { "it reports impossible sizes", CoordinatorBench.Facts with { Floats = -1 } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { Tallies = int.MaxValue } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { StateBytes = -1 } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { TestSamples = int.MinValue } },
    };

    [Theory]
    [MemberData(nameof(Others), DisableDiscoveryEnumeration = true)]
    public async Task A_worker_that_differs_is_turned_away_and_the_job_continues(string reason, Prepared other)
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var first = await bench.JoinAsync("first");
        var odd = await bench.RegisterAsync("odd");
        await odd.LinkAsync();
        odd.Say(other);
        Assert.StartsWith(reason, (await odd.HearAsync<Refused>()).Reason, StringComparison.Ordinal);
        await odd.Link.WhenClosed;
        Assert.Contains(bench.View.Messages, m => m.StartsWith($"odd was turned away: {reason}", StringComparison.Ordinal));
        odd.Say(new Halted(1, 0));
        Assert.Equal("odd", (await bench.RegisterAsync("odd")).Id);
        var second = await bench.JoinAsync("second");
        foreach (var worker in (BenchWorker[])[first, second]) await worker.HaltAsync(1, 0);
        Assert.Equal(["first", "second"], (await first.HearAsync<BeginPlan>()).Workers);
    }

    [Fact]
    public async Task Messages_from_strangers_are_left_unhandled()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        var unhandled = CreateTestProbe();
        Sys.EventStream.Subscribe(unhandled, typeof(UnhandledMessage));
        IWorkerMessage[] said =
        [
            CoordinatorBench.Facts, new Halted(1, 0), new Synced(1, 0), BenchWorker.Applied(BenchWorker.Report(0) with { Round = 99 }),
            new Leave("worker wants to"), new Failed("worker has failed"),
        ];
        var stranger = bench.Stranger();
        foreach (var message in said)
        {
            stranger.Send(bench.Actor, message);
            var left = await unhandled.ExpectMsgAsync<UnhandledMessage>();
            Assert.Contains("which is no worker of this job", (string)left.Message, StringComparison.Ordinal);
        }
        await worker.RegisterAsync();
        Assert.False(bench.HasResult);
    }
}
