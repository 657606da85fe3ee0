using Akka.Actor;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor passes states on, sends initial parameters and stores checkpoints.</summary>
public sealed class CoordinatorStateTests : VirtualTimeKit
{
    [Fact]
    public async Task A_worker_that_is_behind_and_a_newcomer_receive_the_state()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        byte[] state = [1, 1, 2, 3, 5, 8, 13, 21];
        var workers = await bench.TrainAsync("a", "b");
        var plan = new BeginPlan(1, 0, 3, ["a", "b"], Topology.Star, [], [], []);
        await StepAsync(workers, plan, 0);
        foreach (var worker in workers) worker.Contribute(plan, 1);
        await workers[0].ApplyAsync(1, 1);
        await Patience.UntilAsync(() => Links.StarBench.CompletedBy(bench.Star) == 2);

        var newcomer = await bench.JoinAsync("c");
        await workers[0].HaltAsync(2, applied: 2);
        await workers[1].HaltAsync(2, applied: 1);
        await newcomer.HaltAsync(2, applied: 0);
        await workers[1].Link.AverageAsync(1, 1, CoordinatorBench.Layout.Slices);
        await workers[0].SendStateAsync(2, 2, state);
        foreach (var behind in (BenchWorker[])[workers[1], newcomer])
        {
            var (header, payload) = await behind.Link.NextAsync();
            Assert.Equal((FrameKind.State, 2, 2), (header.Kind, header.Generation, header.Round));
            Assert.Equal(state, payload);
        }
        newcomer.Say(new Synced(2, 2));
        await newcomer.RegisterAsync();
        workers[1].Say(new Synced(2, 2));
        foreach (var worker in workers.Append(newcomer))
        {
            var next = await worker.HearAsync<BeginPlan>();
            Assert.Equal((2, 2, 3), (next.Generation, next.FirstRound, next.EndRound));
            Assert.Equal(["a", "b", "c"], next.Workers);
        }
        Assert.Equal(1, await bench.Registry.ValueAsync($"{MetricNames.Generations}{{cause=\"start\"}}"));
        Assert.Equal(1, await bench.Registry.ValueAsync($"{MetricNames.Generations}{{cause=\"joined\"}}"));
        Assert.Equal(2, await bench.Registry.ValueAsync($"{MetricNames.ReconfigurationSeconds}_count"));
    }

    [Fact]
    public async Task A_checkpoint_that_cannot_be_stored_is_reported_and_training_continues()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a");
        var plan = new BeginPlan(1, 0, 3, ["a"], Topology.Star, [], [], []);
        await StepAsync(workers, plan, 0);
        workers[0].Link.SendCheckpoint(1, 1, new byte[8]);
        await WhenCheckpointFailedAsync(bench);
        for (var round = 1; round < 3; round++) await StepAsync(workers, plan, round);
        await workers[0].HearAsync<SendState>();
        Assert.Equal(1, await bench.Registry.ValueAsync(MetricNames.CheckpointFailures));
    }

    [Fact]
    public async Task No_checkpoint_is_stored_while_the_state_for_a_restart_cannot_be_written()
    {
        var isFull = true;
        using var bench = new CoordinatorBench(this, save: _ => isFull ? "No space left on device" : null);
        var workers = await bench.TrainAsync("a");
        var plan = new BeginPlan(1, 0, 3, ["a"], Topology.Star, [], [], []);
        await StepAsync(workers, plan, 0);
        workers[0].Link.SendCheckpoint(1, 1, new byte[8]);
        Assert.Single(
            bench.View.Messages,
            "the state for a restart of the coordinator cannot be written: No space left on device. "
            + "Training continues without checkpoints until it can be written");
        await StepAsync(workers, plan, 1);
        await workers[0].RegisterAsync();
        Assert.DoesNotContain(bench.View.Messages, line => line.Contains("checkpoint of step", StringComparison.Ordinal));
        isFull = false;
        await Patience.UntilAsync(() =>
        {
            bench.Actor.Tell(new CoordinatorNotice.Refresh());
            return bench.View.Messages.Contains("the state for a restart of the coordinator is written again");
        });
        await StepAsync(workers, plan, 2);
        // The bytes are not a valid state: the failure shows that the coordinator tried to store the checkpoint.
        await WhenCheckpointFailedAsync(bench);
    }

    [Fact]
    public async Task A_worker_that_sends_an_unrequested_checkpoint_loses_its_link()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[1].Link.SendCheckpoint(1, 0, new byte[8]);
        Assert.Equal(2, (await workers[0].HearAsync<Halt>()).Generation);
        Assert.Contains(
            bench.View.Messages,
            line => line.StartsWith("b is lost: b sent a checkpoint that was not requested", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Initial_parameters_are_announced_and_sent()
    {
        var file = new byte[300_000];
        file[^1] = 7;
        using var bench = new CoordinatorBench(this, initial: new(file, IsStrict: false));
        var worker = await bench.RegisterAsync("a");
        Assert.Equal((300_000, false), (worker.Welcomed.InitialBytes, worker.Welcomed.IsInitialStrict));
        await worker.LinkAsync();
        byte[] received = [];
        while (received.Length < file.Length)
        {
            var (header, payload) = await worker.Link.NextAsync();
            Assert.Equal((FrameKind.Initial, FrameHeader.AnyGeneration), (header.Kind, header.Generation));
            received = [.. received, .. payload];
        }
        Assert.Equal(file, received);
        worker.Say(CoordinatorBench.Facts with { Initial = "Initial parameters: some" });
        await worker.HearAsync<Halt>();
        Assert.Contains("Initial parameters: some", bench.View.Messages);
    }

    /// <summary>Waits until the coordinator reports that it could not store the checkpoint of step 1.</summary>
    private static Task WhenCheckpointFailedAsync(CoordinatorBench bench) => Patience.UntilAsync(() => bench.View.Messages.Any(
        line => line.StartsWith("the checkpoint of step 1 could not be written: ", StringComparison.Ordinal)));
}
