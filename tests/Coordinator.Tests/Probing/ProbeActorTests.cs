using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Probing;

/// <summary>The probe for a batch that fits all workers, before the run.</summary>
public sealed class ProbeActorTests() : TestKit("""
    akka {
      loglevel = OFF
      stdout-loglevel = OFF
      test.single-expect-default = 60s
    }
    """)
{
    private static readonly Job _job = Job.Default with { Auto = AutoSize.Batch, Batch = null, MicroBatches = 8 };

    private readonly TaskCompletionSource<Job> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> _said = [];

    [Fact]
    public async Task The_smallest_answer_of_the_first_workers_decides_the_batch()
    {
        var probe = Start(workers: 2);
        var (a, b) = (await OfferAsync(probe, "a"), await OfferAsync(probe, "b"));
        a.Send(probe, new Probed(100, 1438, "half of it"));
        // A worker that has answered registers for the run.
        a.Send(probe, new Register(MessageCodec.Version, "a", "cpu", [], 0, 0));
        a.Send(probe, new Probed(1, 1438, "again"));
        Assert.False(_result.Task.IsCompleted);
        b.Send(probe, new Probed(50, 1438, "a third"));

        Assert.Equal(_job with { Auto = AutoSize.None, Batch = 400 }, await _result.Task.Soon());
        Assert.Equal(["a has memory for 100 samples at a time: half of it", "b has memory for 50 samples at a time: a third",
            "batch 400 in 8 micro-batches"], _said);
        await a.ExpectNoMsgAsync(TimeSpan.Zero);
    }

    [Fact]
    public async Task A_worker_of_another_protocol_version_is_refused()
    {
        var probe = Start();
        var stranger = CreateTestProbe();
        stranger.Send(probe, new Register(MessageCodec.Version + 1, "a", "cpu", [], 0, 0));
        Assert.False((await stranger.ExpectMsgAsync<Refused>()).MayReturn);
    }

    [Fact]
    public async Task A_killed_local_worker_ends_the_probe_with_advice()
    {
        var probe = Start();
        await OfferAsync(probe, "worker-1");
        probe.Tell(new CoordinatorNotice.LocalWorkerEnded("worker-1", "exit code 137", 137));
        Assert.Equal("worker-1 ended while it measured the largest micro-batch: exit code 137. "
            + "If it ran out of memory, lower --memory-fraction, or give batch and micro-batches as numbers",
            (await Assert.ThrowsAsync<RunFailedException>(() => _result.Task.Soon())).Message);
    }

    [Theory]
    [InlineData(0, 1438)]
    [InlineData(1, 0)]
    public async Task An_impossible_answer_ends_the_probe(int samples, int train)
    {
        var probe = Start();
        (await OfferAsync(probe, "a")).Send(probe, new Probed(samples, train, ""));
        Assert.Equal(
            $"a could not measure the largest micro-batch: it reports impossible sizes: micro-batches of {samples} samples of {train}",
            (await Assert.ThrowsAsync<RunFailedException>(() => _result.Task.Soon())).Message);
    }

    [Fact]
    public async Task Different_data_ends_the_probe()
    {
        var probe = Start(workers: 2);
        (await OfferAsync(probe, "a")).Send(probe, new Probed(1, 10, ""));
        (await OfferAsync(probe, "b")).Send(probe, new Probed(1, 9, ""));
        Assert.StartsWith("the workers' data differs: they have 9, 10 training samples",
            (await Assert.ThrowsAsync<RunFailedException>(() => _result.Task.Soon())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_loss_of_a_worker_ends_the_probe_unless_others_may_join()
    {
        var closed = Start();
        (await OfferAsync(closed, "a")).Send(closed, new Failed("no data"));
        Assert.Equal("a could not measure the largest micro-batch: no data",
            (await Assert.ThrowsAsync<RunFailedException>(() => _result.Task.Soon())).Message);

        var (open, result) = (CreateTestProbe(), new TaskCompletionSource<Job>());
        var asking = Sys.ActorOf(Props.Create(() => new ProbeActor(_job, 1, true, open.Ref.Tell, result)));
        var gone = await OfferAsync(asking, "a");
        Sys.Stop(gone.Ref);
        await open.ExpectMsgAsync("a is lost: its process is gone");
        (await OfferAsync(asking, "b")).Send(asking, new Probed(2, 1438, ""));
        Assert.Equal(16, (await result.Task.Soon()).Batch);
    }

    [Fact]
    public async Task The_probe_can_be_aborted()
    {
        Start().Tell(new CoordinatorNotice.Abort("interrupted"));
        Assert.Equal("interrupted", (await Assert.ThrowsAsync<RunFailedException>(() => _result.Task.Soon())).Message);
    }

    private IActorRef Start(int workers = 1) => Sys.ActorOf(Props.Create(() => new ProbeActor(_job, workers, false, _said.Add, _result)));

    private async Task<TestProbe> OfferAsync(IActorRef probe, string name)
    {
        var worker = CreateTestProbe();
        worker.Send(probe, new Register(MessageCodec.Version, name, "cpu", [], 0, 0));
        Assert.Equal(JobFile.Format(_job), (await worker.ExpectMsgAsync<Probe>()).Job);
        return worker;
    }
}
