using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.State;
using Distributed.Transport.Buffers;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Replicas;

[Collection(TorchTests.Name)]
public sealed class ReplicaThreadTests
{
    private static readonly Job _job = TestJobs.Of(TestJobs.Noisy) with { Optimizer = new AdamSpec(), Schedule = new CosineSpec(), ClipNorm = 1 };

    /// <summary>The middle one of three workers computes the micro-batches 4, 5, 6 and 7 of 12, and sends them as one sum.</summary>
    private static readonly Job _twelve = _job with { MicroBatches = 12 };
    private static readonly string[] _three = ["w1", LinkedReplica.Worker, "w3"];

    [Fact]
    public async Task A_job_gives_the_bits_of_the_kernel_run_by_hand()
    {
        using var byHand = new LocalTraining(_job);
        using var replica = await LinkedReplica.StartAsync(_job);
        Assert.Equal(byHand.Replica.Digest().ToString(), replica.Facts.InitialDigest);

        replica.Begin(1, 0);
        for (var round = 0; round < replica.Rounds.Count; round++) replica.Reduce(1, round);

        while (replica.Reports.Count < replica.Rounds.Count) replica.Next<RoundsApplied>();
        Assert.Equal(Enumerable.Range(0, (int)replica.Rounds.Count).Select(i => (long)i), replica.Reports.Select(r => r.Round));
        Assert.All(replica.Reports, report =>
        {
            var round = replica.Rounds.At(report.Round);
            Assert.Equal(byHand.Run(report.Round), report.Tallies);
            Assert.Equal(byHand.Replica.Digest(), report.Digest);
            Assert.Equal(round.MicroBatches, report.MicroBatches);
            Assert.Equal(round.Kind == RoundKind.Train ? LearningRate.At(_job.Schedule, 0.001, round.Step, 6, 3) : 0, report.LearningRate);
            Assert.Equal(round.Kind == RoundKind.Train, report.GradientNorm > 0);
            Assert.All([report.Times.Compute, report.Times.Send, report.Times.Wait, report.Times.Apply, report.Times.Reduce], seconds => Assert.InRange(seconds, 0, 60));
        });
    }

    [Fact]
    public async Task It_computes_on_a_thread_of_its_own_from_the_first_step_on()
    {
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Begin(1, 0);
        replica.Reduce(1, 0);
        replica.Next<RoundsApplied>();
        replica.Halt(2);

        Assert.All(replica.Heard, notice =>
        {
            Assert.Equal("replica", notice.Thread.Name);
            Assert.False(notice.Thread.IsThreadPoolThread);
            Assert.Same(replica.Heard[0].Thread, notice.Thread);
        });
        // Where the tensors are made, the computation is.
        Assert.All(replica.Heard.Zip(replica.Heard.Skip(1)), pair => Assert.True(pair.Second.What is Halted || pair.First.TensorsMade < pair.Second.TensorsMade));
    }

    [Fact]
    public async Task A_halt_in_the_middle_of_a_round_is_answered_before_the_round_is_computed()
    {
        // The middle of three workers computes 40 of 120 micro-batches, of which the first few are complete sums.
        using var replica = await LinkedReplica.StartAsync(_job with { MicroBatches = 120 });
        var unit = MicroBatch(replica);
        replica.Coordinator.OnFrame = _ => replica.Thread.Halt(3);
        var before = replica.Heard[^1].TensorsMade;

        replica.Begin(2, 0, _three);

        var halted = replica.Next<Halted>();
        var (generation, applied, digest) = (Halted)halted.What;
        Assert.Equal((3, 0, replica.Facts.InitialDigest), (generation, applied, digest.ToString()));
        Assert.InRange((halted.TensorsMade - before) / unit, 1, 39);
        Assert.Equal((FrameKind.Contribution, 2, 0L), Described(replica.Coordinator.NextFrame().Header));
    }

    [Fact]
    public async Task A_halt_comes_before_the_next_micro_batch()
    {
        using var replica = await LinkedReplica.StartAsync(_job);
        // Reported from the replica's own thread, after the round and before the next.
        replica.OnApplied = _ => replica.Thread.Halt(2);
        replica.Begin(1, 0);
        replica.Reduce(1, 0);

        var applied = replica.Next<RoundsApplied>();
        var halted = replica.Next<Halted>();

        Assert.Equal(new Halted(2, 1, Assert.Single(((RoundsApplied)applied.What).Rounds).Digest), halted.What);
        Assert.Equal(applied.TensorsMade, halted.TensorsMade);
        Assert.Equal(0, replica.Coordinator.WaitingFrames);
    }

    [Fact]
    public async Task Under_a_new_plan_of_the_same_round_only_what_is_missing_is_computed()
    {
        using var byHand = new LocalTraining(_twelve);
        using var replica = await LinkedReplica.StartAsync(_twelve);
        var round = replica.Rounds.At(0);
        _ = MicroBatch(replica);
        replica.Begin(2, 0, _three);
        var first = replica.Coordinator.NextSum(replica.Pool, 2, round, new(4, 4));
        replica.Halt(3);
        var before = replica.Heard[^1].TensorsMade;

        // Alone with one other, it has the micro-batches 6 to 11: the sum of 4 to 7 is of no use.
        replica.Begin(3, 0, "w1", LinkedReplica.Worker);
        replica.Coordinator.NextSum(replica.Pool, 3, round, new(6, 2)).Release();
        replica.Coordinator.NextSum(replica.Pool, 3, round, new(8, 4)).Release();
        replica.Halt(4);
        var six = replica.Heard[^1].TensorsMade - before;
        before = replica.Heard[^1].TensorsMade;

        // Alone, it lacks 0 to 5: as many.
        replica.Begin(4, 0);
        var average = replica.NextAverage(4, 0);
        replica.Halt(5);
        Assert.Equal(six, replica.Heard[^1].TensorsMade - before);
        before = replica.Heard[^1].TensorsMade;

        // It has everything already.
        replica.Begin(5, 0);
        var again = replica.NextAverage(5, 0);
        replica.Halt(6);
        Assert.Equal(before, replica.Heard[^1].TensorsMade);

        var expected = byHand.Average(round);
        Assert.All([average, again], a => AssertSame(expected, a));
        first.Release();
    }

    [Fact]
    public async Task Samples_that_were_fetched_ahead_change_no_bit_whatever_the_plan_becomes()
    {
        // Micro-batches of 719 samples are large enough for it.
        var job = _job with { Batch = 1438, MicroBatches = 2, Epochs = 3, Augment = new() { Flip = true, Crop = 2 } };
        using var byHand = new LocalTraining(job);
        using var replica = await LinkedReplica.StartAsync(job);

        // After its half of the first round it gets ready for the next; then it is left alone with the first.
        replica.Begin(1, 0, LinkedReplica.Worker, "w3");
        replica.Coordinator.NextSum(replica.Pool, 1, replica.Rounds.At(0), new(0, 1)).Release();
        replica.Halt(2);
        replica.Begin(2, 0);
        for (var round = 0; round < replica.Rounds.Count; round++) replica.Reduce(2, round);

        while (replica.Reports.Count < replica.Rounds.Count) replica.Next<RoundsApplied>();
        Assert.Equal(byHand.Run(0, replica.Rounds.Count), replica.Reports.Select(report => report.Digest));
    }

    [Fact]
    public async Task A_sum_is_sent_again_with_the_same_bits()
    {
        using var replica = await LinkedReplica.StartAsync(_twelve);
        var round = replica.Rounds.At(0);
        var sums = Enumerable.Range(1, 3).Select(generation =>
        {
            replica.Halt((2 * generation) - 1);
            replica.Begin(2 * generation, 0, _three);
            return replica.Coordinator.NextSum(replica.Pool, 2 * generation, round, new(4, 4));
        }).ToList();

        Assert.All(sums, sum => AssertSame(sums[0], sum));
        replica.Halt(9);
        Assert.Equal(0, replica.Coordinator.WaitingFrames);
    }

    [Fact]
    public async Task An_average_that_comes_after_a_halt_is_not_applied()
    {
        using var byHand = new LocalTraining(_job);
        var digests = byHand.Run(0, 2);
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Begin(1, 0);
        var average = replica.NextAverage(1, 0);
        Assert.Equal(0, replica.Halt(2));

        replica.Coordinator.SendAverage(average, 1, replica.Rounds.At(0));
        average.Release();

        replica.Begin(2, 0);
        replica.Reduce(2, 0);
        replica.ReduceLast(2, 1);
        replica.Halt(3);
        Assert.Equal(digests, replica.Reports.Select(r => r.Digest));
    }

    [Fact]
    public async Task A_state_that_is_to_be_stored_leaves_with_the_step_that_it_is_of_and_the_step_goes_on()
    {
        using var byHand = new LocalTraining(_job);
        byHand.Run(0, 2);
        using var replica = await LinkedReplica.StartAsync(_job with { Checkpoint = new() { EverySteps = 2 } });
        replica.Begin(1, 0);
        replica.Reduce(1, 0);
        replica.Reduce(1, 1);
        // What is due of the next step may come before it or behind.
        (FrameHeader Header, byte[] Payload) frame;
        while ((frame = replica.Coordinator.NextFrame()).Header.Kind != FrameKind.Checkpoint) Assert.Equal(2, frame.Header.Round);
        Assert.Equal((1, 2L, byHand.Replica.StateBytes), (frame.Header.Generation, frame.Header.Round, frame.Header.Node.Count));
        Assert.Equal(byHand.Replica.Serialize(), frame.Payload);
    }

    [Fact]
    public async Task Another_worker_of_the_plan_stores_for_all()
    {
        using var replica = await LinkedReplica.StartAsync(_twelve with { Checkpoint = new() { EverySteps = 1 } });
        var seen = new System.Collections.Concurrent.ConcurrentBag<FrameKind>();
        replica.Coordinator.OnFrame = header => seen.Add(header.Kind);
        replica.Begin(2, 0, _three);
        var average = replica.Coordinator.NextSum(replica.Pool, 2, replica.Rounds.At(0), new(4, 4));
        average.Tallies[Tally.Samples] = 480;
        replica.Coordinator.SendAverage(average, 2, replica.Rounds.At(0));
        average.Release();
        replica.Coordinator.NextSum(replica.Pool, 2, replica.Rounds.At(1), new(4, 4)).Release();
        replica.Halt(3);
        Assert.DoesNotContain(FrameKind.Checkpoint, seen);
    }

    [Fact]
    public async Task Parameters_to_begin_with_take_the_place_of_those_from_the_seed()
    {
        using var byHand = new LocalTraining(_job with { Seed = 77 });
        var file = Safetensors.ToBytes([.. Safetensors.Read(byHand.Replica.Serialize()).Tensors
            .Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal)).Select(t => t with { Name = t.Name["model.".Length..] })]);
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Thread.Initialize(file);
        var (digest, said) = ((StateDigest, string))replica.Next<(StateDigest, string)>().What;
        Assert.Equal(byHand.Replica.Digest(), digest);
        Assert.StartsWith("Initial parameters: all ", said, StringComparison.Ordinal);
        replica.Thread.Initialize(new byte[9]);
        Assert.Contains("safetensors", ((Failed)replica.Next<Failed>().What).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_newcomer_takes_over_a_state_and_goes_on_from_there()
    {
        using var donor = new LocalTraining(_job);
        donor.Run(0, 5);
        using var replica = await LinkedReplica.StartAsync(_job);
        Assert.Equal(0, replica.Halt(7));

        replica.Coordinator.SendState(7, 5, donor.Replica.Serialize());

        Assert.Equal(new Synced(7, 5, donor.Replica.Digest()), replica.Next<Synced>().What);
        replica.Begin(7, 5);
        replica.Reduce(7, 5);
        replica.ReduceLast(7, 6);
        replica.Halt(8);
        Assert.Equal(donor.Run(5, 7), replica.Reports.Select(r => r.Digest));
    }

    [Fact]
    public async Task That_a_peer_is_lost_is_said_after_every_round_that_was_applied_before()
    {
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Begin(1, 0);
        for (var round = 0; round < 2; round++) replica.Reduce(1, round);
        replica.ReduceLast(1, 2);

        replica.Thread.Receive(new LinkNotice.PeerLost(1, "w3", "gone"));

        Assert.Equal(new PeerLost(1, "w3", "gone"), replica.Next<PeerLost>().What);
        Assert.Equal([0L, 1, 2], replica.Reports.Select(r => r.Round));
    }

    [Fact]
    public async Task It_sends_its_state_when_asked_to()
    {
        using var byHand = new LocalTraining(_job);
        byHand.Run(0, 1);
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Begin(1, 0);
        replica.ReduceLast(1, 0);
        Assert.Equal(1, replica.Halt(2));

        replica.Thread.SendState(2);

        var (header, state) = replica.Coordinator.NextFrame();
        Assert.Equal((FrameKind.State, 2, 1L), Described(header));
        Assert.Equal(replica.Facts.StateBytes, state.Length);
        Assert.Equal(byHand.Replica.Serialize(), state);
    }

    [Fact]
    public async Task A_state_that_cannot_be_taken_over_ends_it_with_the_reason()
    {
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Halt(1);
        replica.Coordinator.SendState(1, 3, new byte[replica.Facts.StateBytes]);

        Assert.Contains("Is this a safetensors file?", ((Failed)replica.Next<Failed>().What).Reason, StringComparison.Ordinal);
        await replica.Coordinator.Closed.Soon();
    }

    [Fact]
    public async Task A_state_under_a_plan_or_of_another_generation_is_left_aside()
    {
        using var donor = new LocalTraining(_job);
        donor.Run(0, 3);
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Thread.Receive(new LinkNotice.StateArrived(0, 3, donor.Replica.Serialize()));
        Assert.Equal(new Synced(0, 3, donor.Replica.Digest()), replica.Next<Synced>().What);
        replica.Thread.Receive(new LinkNotice.StateArrived(5, 1, new byte[1]));
        replica.Begin(1, 3);
        replica.Thread.Receive(new LinkNotice.StateArrived(1, 1, new byte[1]));

        replica.ReduceLast(1, 3);
        Assert.Equal(4, replica.Halt(2));
    }

    [Fact]
    public async Task Without_a_micro_batch_to_compute_it_says_that_it_is_there()
    {
        using var replica = await LinkedReplica.StartAsync(_job with { MicroBatches = 1 });
        // Of one micro-batch, the last of two workers gets it.
        replica.Begin(1, 0, LinkedReplica.Worker, "w3");

        Assert.Equal((FrameKind.Present, 1, 0L), Described(replica.Coordinator.NextFrame().Header));
    }

    [Fact]
    public async Task A_plan_that_starts_elsewhere_ends_it_with_the_reason()
    {
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Begin(1, 3);
        Assert.Equal("generation 1 starts at round 3, but this replica has applied 0 rounds", ((Failed)replica.Next<Failed>().What).Reason);
    }

    [Fact]
    public async Task An_average_out_of_turn_closes_the_link_and_leaves_the_replica()
    {
        using var replica = await LinkedReplica.StartAsync(_job);
        replica.Begin(1, 0);
        var average = replica.NextAverage(1, 0);

        replica.Coordinator.SendAverage(average, 1, replica.Rounds.At(1));

        Assert.Equal("the coordinator sent the average of round 1, generation 1; (1, 0) is expected", await replica.LinkClosed.Soon());
        Assert.Equal(0, replica.Halt(2));
    }

    [Fact]
    public void A_data_set_that_is_not_there_ends_it_with_the_reason()
    {
        using var nothing = new TemporaryFolder();
        using var network = FakeNetwork.Closed();
        using var replica = new LinkedReplica(
            _job with { Data = new KnownData(FashionMnistFiles.Name) },
            new() { SharedDirectory = null, SystemDirectory = nothing.Path, CacheDirectory = nothing.Path, HttpHandler = network });

        Assert.StartsWith("fashion-mnist is not on this machine, and the download failed", ((Failed)replica.Next<Failed>().What).Reason, StringComparison.Ordinal);
    }

    /// <summary>Tensors that a micro-batch makes, from the first one that this replica computes, under generation 1.</summary>
    private static long MicroBatch(LinkedReplica replica)
    {
        // Memory is made of tensors too: here, and not in between.
        foreach (var buffer in Enumerable.Range(0, 16).Select(_ => replica.Pool.Rent()).ToList()) buffer.Release();
        var workers = Enumerable.Range(0, replica.Job.MicroBatches).Select(i => i == 0 ? LinkedReplica.Worker : $"other{i}").ToArray();
        var before = replica.Heard[^1].TensorsMade;
        replica.Begin(1, 0, workers);
        replica.Coordinator.NextSum(replica.Pool, 1, replica.Rounds.At(0), new(0, 1)).Release();
        replica.Halt(2);
        return replica.Heard[^1].TensorsMade - before;
    }

    /// <summary>Between the floats and the tallies there may be bytes of no meaning.</summary>
    private static void AssertSame(VectorBuffer expected, VectorBuffer actual)
    {
        Assert.Equal(expected.Floats, actual.Floats);
        Assert.Equal(expected.Tallies, actual.Tallies);
    }

    private static (FrameKind Kind, int Generation, long Round) Described(in FrameHeader header) => (header.Kind, header.Generation, header.Round);
}
