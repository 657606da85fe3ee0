using System.Text;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Plugins;
using Distributed.Worker.Tests.Replicas;

namespace Distributed.Worker.Tests.Actors;

/// <summary>How a worker registers, prepares a job, takes part in rounds, and reports problems.</summary>
[Collection(TorchTests.Name)]
public sealed class WorkerActorTests(TwoNodes nodes) : WorkerActorTestBase(nodes), IClassFixture<TwoNodes>
{
    [Fact]
    public async Task A_worker_registers_repeatedly_until_it_is_admitted()
    {
        Start();
        var offer = Next<Register>();
        Assert.Equal(
            (MessageCodec.Version, "fritz", "cpu", default, 9464),
            (offer.Version, offer.Name, offer.Device, offer.Holding, offer.MetricsPort));
        Assert.Empty(offer.Token);
        Assert.Equal("fritz", Next<Register>().Name);

        Welcome();
        // The coordinator repeats the welcome, as another offer was in transit.
        var job = JobFile.Format(Job);
        Coordinator.Reply(new Welcome(
            "w7", job, ScriptedCoordinator.Host, Link.Port, Link.Token, false, 0, Conversation: Conversation.Id));

        Assert.IsType<Prepared>(NextButOffers());
        Assert.Equal("w7", await Link.Greeted.Soon());
    }

    [Fact]
    public void The_worker_repeats_an_unacknowledged_message_and_handles_a_repeated_one_once()
    {
        Start();
        Next<Register>();
        Welcome();
        Numbered first, second;
        do
        {
            first = Coordinator.FishForMessage(message => message is Numbered, Patience.Limit) as Numbered
                ?? throw new InvalidOperationException();
        }
        while (first.Kind != nameof(Prepared));
        second = (Numbered)Coordinator.FishForMessage(message => message is Numbered, Patience.Limit);
        Assert.Equal((first.Conversation, first.Number, first.Kind), (second.Conversation, second.Number, second.Kind));
        Assert.Equal(first.Body, second.Body);
        Conversation.Hear(second);
        var halt = Numbered.Of(Conversation.Id, 1, 1, new Halt(1));
        Coordinator.Reply(halt);
        Coordinator.Reply(halt);
        Conversation.Hear(new Heard(Conversation.Id, 1));
        Assert.Equal(1, Next<Halted>().Generation);
        Coordinator.Reply(Numbered.Of(Conversation.Id, 2, 2, new Halt(2)));
        Assert.Equal(2, Next<Halted>().Generation);
    }

    [Fact]
    public async Task A_worker_that_is_asked_for_its_largest_micro_batch_answers_and_registers_again()
    {
        var open = JobFile.Format(Job with { Auto = AutoSize.Batch, Batch = null });
        Start();
        Next<Register>();
        Coordinator.Reply(new Probe(open));
        Coordinator.Reply(new Probe(open));

        var probed = Assert.IsType<Probed>(NextButOffers());
        var samples = TestJobs.Data.Train.Count;
        Assert.Equal((samples, (samples + Job.MicroBatches - 1) / Job.MicroBatches), (probed.TrainSamples, probed.Samples));
        Next<Register>();
        Welcome();
        Assert.IsType<Prepared>(NextButOffers());
        Assert.Equal("w7", await Link.Greeted.Soon());
    }

    [Fact]
    public async Task A_worker_that_cannot_determine_its_largest_micro_batch_reports_the_reason()
    {
        Start();
        Next<Register>();
        Coordinator.Reply(new Probe("task: none\n"));
        Assert.Contains("task is none", Assert.IsType<Failed>(NextButOffers()).Reason, StringComparison.Ordinal);
        Assert.Equal(1, (await End.Task.Soon()).ExitCode);
    }

    [Fact]
    public async Task A_worker_reports_what_it_has_prepared_once_its_link_is_up()
    {
        Start();
        Next<Register>();
        Assert.Equal("joining the cluster", WorkerReadiness.NotReady);
        Welcome();

        var prepared = Assert.IsType<Prepared>(NextButOffers());

        Assert.True(Link.Greeted.IsCompletedSuccessfully);
        Assert.Null(WorkerReadiness.NotReady);
        using var byHand = new LocalTraining(Job);
        var task = byHand.Replica.Task;
        Assert.Equal(
            new Prepared(
                task.DataFingerprint,
                task.TrainSamples,
                task.TestSamples,
                byHand.Replica.Map.Layout.Floats,
                byHand.Replica.Map.Layout.Tallies,
                byHand.Replica.Serialize().Length,
                byHand.Replica.Digest().ToString(),
                "127.0.0.1",
                prepared.LinkPort,
                0,
                0,
                Data: DataSets.Describe("digits").ToJson()),
            prepared);
        Assert.False(End.Task.IsCompleted);
        await Link.Greeted;
    }

    [Fact]
    public void A_worker_forwards_messages_between_the_coordinator_and_its_replica()
    {
        StartAndPrepare();
        using var byHand = new LocalTraining(Job);

        Tell(new Halt(1));
        Assert.Equal(new Halted(1, 0, byHand.Replica.Digest()), Next<Halted>());
        Tell(new BeginPlan(1, 0, 2, ["w7"], Topology.Star, [], [], []));
        Reduce(byHand, 1, 0);
        var first = Assert.Single(Next<RoundsApplied>().Rounds);
        Assert.Equal((0, byHand.Replica.Digest()), (first.Round, first.Digest));
        Reduce(byHand, 1, 1);
        Assert.Equal(byHand.Replica.Digest(), Assert.Single(Next<RoundsApplied>().Rounds).Digest);
        Tell(new SendState(1));
        var (header, state) = Link.NextFrame();
        Assert.Equal((FrameKind.State, 1, 2), (header.Kind, header.Generation, header.Round));
        Assert.Equal(byHand.Replica.Serialize(), state);
        Tell(new Halt(2));
        Assert.Equal(new Halted(2, 2, byHand.Replica.Digest()), Next<Halted>());
        Link.SendState(2, 5, state);
        Assert.Equal(new Synced(2, 5, byHand.Replica.Digest()), Next<Synced>());
    }

    [Fact]
    public void A_worker_notes_once_that_it_cannot_send_gradients_during_backward()
    {
        var job = TestJobs.Of(new PluginSpec { Class = nameof(Borrower) });
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(job));
        Start(plugins: new(new PluginLibrary("/x/own.dll", [typeof(Borrower)])));
        Next<Register>();
        Welcome(JobFile.Format(job), link);
        var prepared = Assert.IsType<Prepared>(NextButOffers());
        using var pool = new VectorPool(new(prepared.Floats, prepared.Tallies));
        var rounds = job.ToShape().RoundsOf(prepared.TrainSamples, prepared.TestSamples);
        Tell(new BeginPlan(1, 0, 2, ["w7"], Topology.Star, [], [], []));

        AverageOf(0);
        Assert.Equal(0, Assert.Single(Next<RoundsApplied>().Rounds).Round);
        Assert.Equal(
            "the gradient of '_second.weight' is sent only after backward: the model uses it outside of the calls of its module",
            Next<Noted>().Text);
        AverageOf(1);
        Assert.Equal(1, Assert.Single(Assert.IsType<RoundsApplied>(NextButOffers()).Rounds).Round);
        Tell(new Halt(2));
        Assert.IsType<Halted>(NextButOffers());

        void AverageOf(long number)
        {
            var round = rounds.At(number);
            link.NextSum(pool, 1, round, new(0, round.MicroBatches)).Release();
            var average = pool.Rent();
            average.Floats.Clear();
            average.Tallies.Clear();
            average.Tallies[Tally.Samples] = round.Samples;
            link.SendAverage(average, 1, round);
            average.Release();
        }
    }

    [Fact]
    public async Task The_metrics_of_a_worker_count_what_it_computed_itself()
    {
        StartAndPrepare();
        using var byHand = new LocalTraining(Job);
        var round = byHand.Replica.Rounds.At(0);
        using var pool = new VectorPool(byHand.Replica.Map.Layout);
        Tell(new BeginPlan(1, 0, 1, ["w1", "w2", "w7"], Topology.Star, [], [], []));
        Link.NextSum(pool, 1, round, new(2, 2)).Release();

        var average = byHand.Average(round);
        Link.SendAverage(average, 1, round);
        average.Release();

        Assert.Equal(2, Assert.Single(Next<RoundsApplied>().Rounds).MicroBatches);
        var metrics = await MetricsAsync();
        Assert.Contains($"{MetricNames.WorkerRounds}{{kind=\"train\"}} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"{MetricNames.WorkerMicroBatches}{{kind=\"train\"}} 2\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"{MetricNames.WorkerSamples}{{kind=\"train\"}} 240\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_reports_a_job_that_it_does_not_understand()
    {
        Start();
        Next<Register>();
        Welcome(job: "task: alchemy");

        var failed = Assert.IsType<Failed>(NextButOffers());
        Assert.StartsWith(
            "the coordinator sent a job that this version does not understand: the coordinator's job:1: ",
            failed.Reason,
            StringComparison.Ordinal);
        Assert.Equal(new(1, failed.Reason), await End.Task.Soon());
    }

    [Fact]
    public async Task A_worker_reports_that_its_link_was_refused()
    {
        Start();
        Next<Register>();
        Welcome(token: new byte[16]);

        var failed = Assert.IsType<Failed>(NextButOffers());
        Assert.StartsWith("the link to the coordinator could not be made: ", failed.Reason, StringComparison.Ordinal);
        Assert.Equal(new(1, failed.Reason, MayReturn: true), await End.Task.Soon());
    }

    [Fact]
    public void A_worker_reports_a_peer_that_it_cannot_reach()
    {
        var job = Job with { Topology = "mesh" };
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(job));
        Start();
        Next<Register>();
        Welcome(JobFile.Format(job), link);
        var prepared = Assert.IsType<Prepared>(NextButOffers());
        Tell(new BeginPlan(1, 0, 2, ["w7", "w8"], Topology.Mesh, [prepared.LinkHost, prepared.LinkHost], [prepared.LinkPort, 1], []));

        var lost = Next<PeerLost>();
        Assert.Equal((1, "w8"), (lost.Generation, lost.Peer));
        Assert.False(End.Task.IsCompleted);
    }

    [Fact]
    public async Task A_worker_reports_a_plan_that_has_no_part_for_it()
    {
        StartAndPrepare();
        Tell(new BeginPlan(1, 0, 2, ["somebody else"], Topology.Star, [], [], []));

        Assert.Equal("generation 1 has no part for w7", Next<Failed>().Reason);
        Assert.Equal(new(1, "generation 1 has no part for w7"), await End.Task.Soon());
    }

    private async Task<string> MetricsAsync()
    {
        using var stream = new MemoryStream();
        await Registry.CollectAndExportAsTextAsync(stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
