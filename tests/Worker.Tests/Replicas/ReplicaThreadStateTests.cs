using System.Collections.Concurrent;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs.State;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Replicas;

/// <summary>How a replica's thread sends, stores and restores states.</summary>
[Collection(TorchTests.Name)]
public sealed class ReplicaThreadStateTests
{
    [Fact]
    public async Task The_replica_sends_a_checkpoint_with_the_state_of_its_step_and_continues()
    {
        using var byHand = new LocalTraining(ThreadJobs.Noisy);
        byHand.Run(0, 2);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy with { Checkpoint = new() { EverySteps = 2 } });
        replica.Begin(1, 0);
        replica.Reduce(1, 0);
        replica.Reduce(1, 1);
        // Frames of the next step may arrive before or after it.
        (FrameHeader Header, byte[] Payload) frame;
        while ((frame = replica.Coordinator.NextFrame()).Header.Kind != FrameKind.Checkpoint) Assert.Equal(2, frame.Header.Round);
        Assert.Equal((1, 2L, byHand.Replica.StateBytes), (frame.Header.Generation, frame.Header.Round, frame.Header.Node.Count));
        Assert.Equal(byHand.Replica.Serialize(), frame.Payload);
    }

    [Fact]
    public async Task A_replica_sends_no_checkpoint_when_another_worker_of_the_plan_stores_it()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Twelve with { Checkpoint = new() { EverySteps = 1 } });
        var seen = new ConcurrentBag<FrameKind>();
        replica.Coordinator.OnFrame = header => seen.Add(header.Kind);
        replica.Begin(2, 0, ThreadJobs.Three);
        var average = replica.Coordinator.NextSum(replica.Pool, 2, replica.Rounds.At(0), new(4, 4));
        average.Tallies[Tally.Samples] = 480;
        replica.Coordinator.SendAverage(average, 2, replica.Rounds.At(0));
        average.Release();
        replica.Coordinator.NextSum(replica.Pool, 2, replica.Rounds.At(1), new(4, 4)).Release();
        replica.Halt(3);
        Assert.DoesNotContain(FrameKind.Checkpoint, seen);
    }

    [Fact]
    public async Task Initial_parameters_replace_those_from_the_seed()
    {
        using var byHand = new LocalTraining(ThreadJobs.Noisy with { Seed = 77 });
        var file = Safetensors.ToBytes([.. Safetensors.Read(byHand.Replica.Serialize()).Tensors
            .Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal))
            .Select(t => t with { Name = t.Name["model.".Length..] })]);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Thread.Initialize(file);
        var (digest, said) = ((StateDigest, string))replica.Next<(StateDigest, string)>().What;
        Assert.Equal(byHand.Replica.Digest(), digest);
        Assert.StartsWith("Initial parameters: all ", said, StringComparison.Ordinal);
        replica.Thread.Initialize(new byte[9]);
        Assert.Contains("safetensors", ((Failed)replica.Next<Failed>().What).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_replica_restores_a_state_and_continues_from_there()
    {
        using var donor = new LocalTraining(ThreadJobs.Noisy);
        donor.Run(0, 5);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
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
    public async Task The_replica_sends_its_state_on_request()
    {
        using var byHand = new LocalTraining(ThreadJobs.Noisy);
        byHand.Run(0, 1);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Begin(1, 0);
        replica.ReduceLast(1, 0);
        Assert.Equal(1, replica.Halt(2));

        replica.Thread.SendState(2);

        var (header, state) = replica.Coordinator.NextFrame();
        Assert.Equal((FrameKind.State, 2, 1L), (header.Kind, header.Generation, header.Round));
        Assert.Equal(replica.Facts.StateBytes, state.Length);
        Assert.Equal(byHand.Replica.Serialize(), state);
    }

    [Fact]
    public async Task A_state_that_cannot_be_restored_ends_the_replica_with_the_reason()
    {
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Halt(1);
        replica.Coordinator.SendState(1, 3, new byte[replica.Facts.StateBytes]);

        Assert.Contains("Is this a safetensors file?", ((Failed)replica.Next<Failed>().What).Reason, StringComparison.Ordinal);
        await replica.Coordinator.Closed.Soon();
    }

    [Fact]
    public async Task The_replica_ignores_a_state_during_a_plan_or_of_another_generation()
    {
        using var donor = new LocalTraining(ThreadJobs.Noisy);
        donor.Run(0, 3);
        using var replica = await LinkedReplica.StartAsync(ThreadJobs.Noisy);
        replica.Thread.Receive(new LinkNotice.StateArrived(0, 3, donor.Replica.Serialize()));
        Assert.Equal(new Synced(0, 3, donor.Replica.Digest()), replica.Next<Synced>().What);
        replica.Thread.Receive(new LinkNotice.StateArrived(5, 1, new byte[1]));
        replica.Begin(1, 3);
        replica.Thread.Receive(new LinkNotice.StateArrived(1, 1, new byte[1]));

        replica.ReduceLast(1, 3);
        Assert.Equal(4, replica.Halt(2));
    }
}
