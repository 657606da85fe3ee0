using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Replicas;

/// <summary>How a replica's thread computes and applies rounds under plans that begin and are halted.</summary>
[Collection(TorchTests.Name)]
public sealed class ReplicaThreadTests
{
    [Fact]
    public async Task A_job_gives_the_bits_of_the_kernel_run_by_hand()
    {
        using var byHand = new LocalTraining(ThreadJobs.Noisy);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
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
            Assert.Equal(
                round.Kind == RoundKind.Train ? LearningRate.At(ThreadJobs.Noisy.Schedule, 0.001, round.Step, 6, 3) : 0,
                report.LearningRate);
            Assert.Equal(round.Kind == RoundKind.Train, report.GradientNorm > 0);
            Assert.All(
                [report.Times.Compute, report.Times.Send, report.Times.Wait, report.Times.Apply, report.Times.Reduce],
                seconds => Assert.InRange(seconds, 0, 60));
        });
    }

    [Fact]
    public async Task The_replica_computes_on_its_own_thread_from_the_first_step_on()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
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
        // The thread that makes the tensors is the one that computes.
        Assert.All(
            replica.Heard.Zip(replica.Heard.Skip(1)),
            pair => Assert.True(pair.Second.What is Halted || pair.First.TensorsMade < pair.Second.TensorsMade));
    }

    [Fact]
    public async Task The_replica_answers_a_halt_in_the_middle_of_a_round_before_it_completes_the_round()
    {
        // The middle of three workers computes 40 of 120 micro-batches, of which the first few are complete sums.
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy with { MicroBatches = 120 });
        var unit = MicroBatch(replica);
        replica.Coordinator.OnFrame = _ => replica.Thread.Halt(3);
        var before = replica.Heard[^1].TensorsMade;

        replica.Begin(2, 0, ThreadJobs.Three);

        var halted = replica.Next<Halted>();
        var (generation, applied, digest) = (Halted)halted.What;
        Assert.Equal((3, 0, replica.Facts.InitialDigest), (generation, applied, digest.ToString()));
        Assert.InRange((halted.TensorsMade - before) / unit, 1, 39);
        Assert.Equal((FrameKind.Contribution, 2, 0L), Described(replica.Coordinator.NextFrame().Header));
    }

    [Fact]
    public async Task The_replica_halts_before_the_next_micro_batch()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        // The report comes from the replica's own thread, after the round and before the next one.
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
    public async Task Under_a_new_plan_for_the_same_round_the_replica_computes_only_the_missing_micro_batches()
    {
        using var byHand = new LocalTraining(ThreadJobs.Twelve);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Twelve);
        var round = replica.Rounds.At(0);
        _ = MicroBatch(replica);
        replica.Begin(2, 0, ThreadJobs.Three);
        var first = replica.Coordinator.NextSum(replica.Pool, 2, round, new(4, 4));
        replica.Halt(3);
        var before = replica.Heard[^1].TensorsMade;

        // With one other worker, the replica has micro-batches 6 to 11; it cannot use the sum of 4 to 7.
        replica.Begin(3, 0, "w1", LinkedReplica.Worker);
        replica.Coordinator.NextSum(replica.Pool, 3, round, new(6, 2)).Release();
        replica.Coordinator.NextSum(replica.Pool, 3, round, new(8, 4)).Release();
        replica.Halt(4);
        var six = replica.Heard[^1].TensorsMade - before;
        before = replica.Heard[^1].TensorsMade;

        // Alone, it lacks micro-batches 0 to 5, which are as many.
        replica.Begin(4, 0);
        var average = replica.NextAverage(4, 0);
        replica.Halt(5);
        Assert.Equal(six, replica.Heard[^1].TensorsMade - before);
        before = replica.Heard[^1].TensorsMade;

        // It already has all micro-batches.
        replica.Begin(5, 0);
        var again = replica.NextAverage(5, 0);
        replica.Halt(6);
        Assert.Equal(before, replica.Heard[^1].TensorsMade);

        var expected = byHand.Average(round);
        Assert.All([average, again], a => AssertSame(expected, a));
        first.Release();
    }

    [Fact]
    public async Task Prefetched_samples_change_no_bit_when_the_plan_changes()
    {
        // The replica prefetches micro-batches of 719 samples, as they are large enough.
        var job = ThreadJobs.Noisy with { Batch = 1438, MicroBatches = 2, Epochs = 3, Augment = new() { Flip = true, Crop = 2 } };
        using var byHand = new LocalTraining(job);
        using var replica = await LinkedReplica.StartAsync(job);

        // After its half of the first round it prefetches for the next one; then a new plan gives it the whole first round.
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
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Twelve);
        var round = replica.Rounds.At(0);
        var sums = Enumerable.Range(1, 3).Select(generation =>
        {
            replica.Halt((2 * generation) - 1);
            replica.Begin(2 * generation, 0, ThreadJobs.Three);
            return replica.Coordinator.NextSum(replica.Pool, 2 * generation, round, new(4, 4));
        }).ToList();

        Assert.All(sums, sum => AssertSame(sums[0], sum));
        replica.Halt(9);
        Assert.Equal(0, replica.Coordinator.WaitingFrames);
    }

    [Fact]
    public async Task The_replica_does_not_apply_an_average_that_arrives_after_a_halt()
    {
        using var byHand = new LocalTraining(ThreadJobs.Noisy);
        var digests = byHand.Run(0, 2);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
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
    public async Task The_replica_reports_a_lost_peer_after_all_rounds_that_it_applied_before()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Begin(1, 0);
        for (var round = 0; round < 2; round++) replica.Reduce(1, round);
        replica.ReduceLast(1, 2);

        replica.Thread.Receive(new LinkNotice.PeerLost(1, "w3", "gone"));

        Assert.Equal(new PeerLost(1, "w3", "gone"), replica.Next<PeerLost>().What);
        Assert.Equal([0L, 1, 2], replica.Reports.Select(r => r.Round));
    }

    [Fact]
    public async Task A_replica_without_a_micro_batch_announces_its_presence()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy with { MicroBatches = 1 });
        // The last of two workers gets the only micro-batch.
        replica.Begin(1, 0, LinkedReplica.Worker, "w3");

        Assert.Equal((FrameKind.Present, 1, 0L), Described(replica.Coordinator.NextFrame().Header));
    }

    [Fact]
    public async Task A_plan_that_starts_at_another_round_ends_the_replica_with_the_reason()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Begin(1, 3);
        Assert.Equal("generation 1 starts at round 3, but this replica has applied 0 rounds", ((Failed)replica.Next<Failed>().What).Reason);
    }

    [Fact]
    public async Task An_average_out_of_turn_closes_the_link_and_keeps_the_replica()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Begin(1, 0);
        var average = replica.NextAverage(1, 0);

        replica.Coordinator.SendAverage(average, 1, replica.Rounds.At(1));

        Assert.Equal("the coordinator sent the average of round 1, generation 1; (1, 0) is expected", await replica.LinkClosed.Soon());
        Assert.Equal(0, replica.Halt(2));
    }

    [Fact]
    public void A_missing_data_set_ends_the_replica_with_the_reason()
    {
        using var nothing = new TemporaryFolder();
        using var network = FakeNetwork.Closed();
        using var replica = new LinkedReplica(
            ThreadJobs.Noisy with { Data = new KnownData(FashionMnistFiles.Name) },
            new() { SharedDirectory = null, SystemDirectory = nothing.Path, CacheDirectory = nothing.Path, HttpHandler = network });

        var failed = (Failed)replica.Next<Failed>().What;
        Assert.StartsWith("fashion-mnist is not on this machine, and the download failed", failed.Reason, StringComparison.Ordinal);
    }

    /// <summary>How many tensors a micro-batch makes, measured with the first one that the replica computes, under generation 1.</summary>
    private static long MicroBatch(LinkedReplica replica)
    {
        // The buffers are tensors too, so they are allocated before the measurement.
        foreach (var buffer in Enumerable.Range(0, 16).Select(_ => replica.Pool.Rent()).ToList()) buffer.Release();
        var workers = Enumerable.Range(0, replica.Job.MicroBatches).Select(i => i == 0 ? LinkedReplica.Worker : $"other{i}").ToArray();
        var before = replica.Heard[^1].TensorsMade;
        replica.Begin(1, 0, workers);
        replica.Coordinator.NextSum(replica.Pool, 1, replica.Rounds.At(0), new(0, 1)).Release();
        replica.Halt(2);
        return replica.Heard[^1].TensorsMade - before;
    }

    /// <summary>Compares floats and tallies; the bytes between them may differ.</summary>
    private static void AssertSame(VectorBuffer expected, VectorBuffer actual)
    {
        Assert.Equal(expected.Floats, actual.Floats);
        Assert.Equal(expected.Tallies, actual.Tallies);
    }

    private static (FrameKind Kind, int Generation, long Round) Described(in FrameHeader header) =>
        (header.Kind, header.Generation, header.Round);
}
