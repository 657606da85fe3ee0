using System.Net;
using System.Text;
using Akka.Actor;
using Akka.TestKit;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;
using Distributed.Worker.Cluster;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Delivery;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Plugins;
using Distributed.Worker.Tests.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Actors;

[Collection(TorchTests.Name)]
public sealed class WorkerActorTests(TwoNodes nodes) : IClassFixture<TwoNodes>, IAsyncLifetime
{
    private static readonly Job _job = TestJobs.Of(TestJobs.Noisy);

    /// <summary>On a table that no machine has.</summary>
    private static readonly Job _table = JobFile.Parse("""
        task: regression
        data: { csv: line.csv, target: y }
        model: { name: mlp, hidden: [4] }
        epochs: 1
        batch: 8
        micro-batches: 2
        optimizer: sgd
        """, "job.yaml");

    private readonly ScriptedCoordinator _link = new(JobFile.Fingerprint(_job));
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    private TaskCompletionSource<WorkerEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly Readiness _readiness = new("joining the cluster");
    private TestProbe _coordinator = null!;
    private Conversation _conversation = new(0, ConversationLimits.Coordinator);
    private IActorRef _worker = ActorRefs.Nobody;

    public async ValueTask InitializeAsync() => _coordinator = await nodes.PlayCoordinatorAsync();

    public async ValueTask DisposeAsync()
    {
        await _worker.GracefulStop(Patience.Limit);
        _link.Dispose();
    }

    [Fact]
    public async Task It_offers_itself_until_it_is_taken_in()
    {
        Start();
        var offer = Next<Register>();
        Assert.Equal((MessageCodec.Version, "fritz", "cpu", default, 9464), (offer.Version, offer.Name, offer.Device, offer.Holding, offer.MetricsPort));
        Assert.Empty(offer.Token);
        Assert.Equal("fritz", Next<Register>().Name);

        Welcome();
        // The same once more, as an offer was on its way.
        _coordinator.Reply(new Welcome("w7", JobFile.Format(_job), ScriptedCoordinator.Host, _link.Port, _link.Token, false, 0, Conversation: _conversation.Id));

        Assert.IsType<Prepared>(NextButOffers());
        Assert.Equal("w7", await _link.Greeted.Soon());
    }

    [Fact]
    public void What_the_coordinator_has_not_heard_is_said_again_and_what_it_says_twice_counts_once()
    {
        Start();
        Next<Register>();
        Welcome();
        Numbered first, second;
        do first = _coordinator.FishForMessage(message => message is Numbered, Patience.Limit) as Numbered ?? throw new InvalidOperationException();
        while (first.Kind != nameof(Prepared));
        second = (Numbered)_coordinator.FishForMessage(message => message is Numbered, Patience.Limit);
        Assert.Equal((first.Conversation, first.Number, first.Kind), (second.Conversation, second.Number, second.Kind));
        Assert.Equal(first.Body, second.Body);
        _conversation.Hear(second);
        var halt = Numbered.Of(_conversation.Id, 1, 1, new Halt(1));
        _coordinator.Reply(halt);
        _coordinator.Reply(halt);
        _conversation.Hear(new Heard(_conversation.Id, 1));
        Assert.Equal(1, Next<Halted>().Generation);
        _coordinator.Reply(Numbered.Of(_conversation.Id, 2, 2, new Halt(2)));
        Assert.Equal(2, Next<Halted>().Generation);
    }

    [Fact]
    public async Task Asked_how_large_a_micro_batch_may_be_it_answers_and_offers_itself_again()
    {
        var open = JobFile.Format(_job with { Auto = AutoSize.Batch, Batch = null });
        Start();
        Next<Register>();
        _coordinator.Reply(new Probe(open));
        _coordinator.Reply(new Probe(open));

        var probed = Assert.IsType<Probed>(NextButOffers());
        Assert.Equal((TestJobs.Data.Train.Count, (TestJobs.Data.Train.Count + _job.MicroBatches - 1) / _job.MicroBatches), (probed.TrainSamples, probed.Samples));
        Next<Register>();
        Welcome();
        Assert.IsType<Prepared>(NextButOffers());
        Assert.Equal("w7", await _link.Greeted.Soon());
    }

    [Fact]
    public async Task It_says_why_it_cannot_find_out_how_large_a_micro_batch_may_be()
    {
        Start();
        Next<Register>();
        _coordinator.Reply(new Probe("task: none\n"));
        Assert.Contains("task is none", Assert.IsType<Failed>(NextButOffers()).Reason, StringComparison.Ordinal);
        Assert.Equal(1, (await _end.Task.Soon()).ExitCode);
    }

    [Fact]
    public async Task It_reports_what_it_has_prepared_when_the_link_is_up()
    {
        Start();
        Next<Register>();
        Assert.Equal("joining the cluster", _readiness.NotReady);
        Welcome();

        var prepared = Assert.IsType<Prepared>(NextButOffers());

        Assert.True(_link.Greeted.IsCompletedSuccessfully);
        Assert.Null(_readiness.NotReady);
        using var byHand = new LocalTraining(_job);
        var task = byHand.Replica.Task;
        Assert.Equal(
            new Prepared(task.DataFingerprint, task.TrainSamples, task.TestSamples, byHand.Replica.Map.Layout.Floats, byHand.Replica.Map.Layout.Tallies,
                byHand.Replica.Serialize().Length, byHand.Replica.Digest().ToString(), "127.0.0.1", prepared.LinkPort, 0, 0, Data: DataSets.Describe("digits").ToJson()),
            prepared);
        Assert.False(_end.Task.IsCompleted);
        await _link.Greeted;
    }

    [Fact]
    public void It_passes_on_what_the_coordinator_and_the_replica_say()
    {
        StartAndPrepare();
        using var byHand = new LocalTraining(_job);

        Tell(new Halt(1));
        Assert.Equal(new Halted(1, 0, byHand.Replica.Digest()), Next<Halted>());
        Tell(new BeginPlan(1, 0, 2, ["w7"], Topology.Star, [], [], []));
        Reduce(byHand, 1, 0);
        var first = Assert.Single(Next<RoundsApplied>().Rounds);
        Assert.Equal((0, byHand.Replica.Digest()), (first.Round, first.Digest));
        Reduce(byHand, 1, 1);
        Assert.Equal(byHand.Replica.Digest(), Assert.Single(Next<RoundsApplied>().Rounds).Digest);
        Tell(new SendState(1));
        var (header, state) = _link.NextFrame();
        Assert.Equal((FrameKind.State, 1, 2), (header.Kind, header.Generation, header.Round));
        Assert.Equal(byHand.Replica.Serialize(), state);
        Tell(new Halt(2));
        Assert.Equal(new Halted(2, 2, byHand.Replica.Digest()), Next<Halted>());
        _link.SendState(2, 5, state);
        Assert.Equal(new Synced(2, 5, byHand.Replica.Digest()), Next<Synced>());
    }

    [Fact]
    public void A_model_whose_gradients_cannot_be_sent_during_backward_is_told_once()
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
        Assert.Equal("the gradient of '_second.weight' is sent only after backward: the model uses it outside of the calls of its module", Next<Noted>().Text);
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
    public async Task Its_metrics_count_what_it_computed_itself()
    {
        StartAndPrepare();
        using var byHand = new LocalTraining(_job);
        var round = byHand.Replica.Rounds.At(0);
        using var pool = new VectorPool(byHand.Replica.Map.Layout);
        Tell(new BeginPlan(1, 0, 1, ["w1", "w2", "w7"], Topology.Star, [], [], []));
        _link.NextSum(pool, 1, round, new(2, 2)).Release();

        var average = byHand.Average(round);
        _link.SendAverage(average, 1, round);
        average.Release();

        Assert.Equal(2, Assert.Single(Next<RoundsApplied>().Rounds).MicroBatches);
        var metrics = await MetricsAsync();
        Assert.Contains($"{MetricNames.WorkerRounds}{{kind=\"train\"}} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"{MetricNames.WorkerMicroBatches}{{kind=\"train\"}} 2\n", metrics, StringComparison.Ordinal);
        Assert.Contains($"{MetricNames.WorkerSamples}{{kind=\"train\"}} 240\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_is_turned_away_ends_with_the_reason()
    {
        Start();
        Next<Register>();
        _coordinator.Reply(new Refused("its name is not allowed", MayReturn: false));
        Assert.Equal(new(1, "the coordinator turned this worker away: its name is not allowed"), await _end.Task.Soon());
    }

    [Fact]
    public async Task One_that_is_turned_away_later_ends_with_the_reason()
    {
        StartAndPrepare();
        Tell(new Refused("its data differs", MayReturn: false));
        Assert.Equal(new(1, "the coordinator turned this worker away: its data differs"), await _end.Task.Soon());
    }

    [Fact]
    public async Task One_that_is_dismissed_ends_well()
    {
        StartAndPrepare();
        Tell(new Dismissed("the job is done"));
        Assert.Equal(new(0, "the job is done"), await _end.Task.Soon());
        await _link.Closed.Soon();
    }

    [Fact]
    public async Task A_job_that_it_does_not_understand_is_reported()
    {
        Start();
        Next<Register>();
        Welcome(job: "task: alchemy");

        var failed = Assert.IsType<Failed>(NextButOffers());
        Assert.StartsWith("the coordinator sent a job that this version does not understand: the coordinator's job:1: ", failed.Reason, StringComparison.Ordinal);
        Assert.Equal(new(1, failed.Reason), await _end.Task.Soon());
    }

    [Fact]
    public async Task A_link_that_is_refused_is_reported()
    {
        Start();
        Next<Register>();
        Welcome(token: new byte[16]);

        var failed = Assert.IsType<Failed>(NextButOffers());
        Assert.StartsWith("the link to the coordinator could not be made: ", failed.Reason, StringComparison.Ordinal);
        Assert.Equal(new(1, failed.Reason, MayReturn: true), await _end.Task.Soon());
    }

    [Fact]
    public async Task One_whose_link_is_lost_keeps_what_it_holds_and_is_taken_in_again_with_it()
    {
        using var byHand = new LocalTraining(_job);
        var session = await LoseLinkAsync(byHand);
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(_job));
        Start(session: session);
        var offer = Next<Register>();
        Assert.Equal(("w7", new Holding(1, 1)), (offer.Name, offer.Holding));
        Assert.Equal(_link.Token, offer.Token);
        Welcome(link: link, token: link.Token, isAdopted: true);

        Assert.Equal(new Holding(1, 1), Assert.IsType<Prepared>(NextButOffers()).Holding);
        // What the former coordinator may not have heard comes once more.
        Assert.Equal(0, Assert.Single(Next<RoundsApplied>().Rounds).Round);
        Tell(new Halt(5));
        Assert.Equal(new Halted(5, 1, byHand.Replica.Digest()), Next<Halted>());
        Tell(new SendState(5));
        Assert.Equal(byHand.Replica.Serialize(), link.NextFrame().Payload);
    }

    [Fact]
    public async Task One_whose_replica_has_failed_meanwhile_says_so_and_offers_nothing()
    {
        using var byHand = new LocalTraining(_job);
        var session = await LoseLinkAsync(byHand);
        session.Replica.Begin(new(2, 1, 2, ["somebody else"], Topology.Star), []);
        await session.Replica.Completion.Soon();
        Start(session: session);
        Assert.Equal(new(1, "generation 2 has no part for w7"), await _end.Task.Soon());
    }

    [Fact]
    public async Task One_that_is_not_taken_in_with_what_it_holds_begins_anew()
    {
        using var byHand = new LocalTraining(_job);
        var session = await LoseLinkAsync(byHand);
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(_job));
        Start(session: session);
        Next<Register>();
        Welcome(link: link, token: link.Token);
        Assert.Equal(default, Assert.IsType<Prepared>(NextButOffers()).Holding);
        Tell(new Halt(5));
        Assert.Equal((5, 0), Next<Halted>() is var halted ? (halted.Generation, halted.Applied) : default);
    }

    [Fact]
    public async Task One_that_may_return_keeps_what_it_holds()
    {
        StartAndPrepare();
        Tell(new Refused("it did not answer", MayReturn: true));
        var end = await _end.Task.Soon();
        Assert.Equal((1, "the coordinator turned this worker away: it did not answer", true), (end.ExitCode, end.Reason, end.MayReturn));
        end.Session!.Dispose();
        await end.Session.Replica.Completion.Soon();
    }

    [Fact]
    public async Task The_reason_for_a_closed_link_may_come_after_it()
    {
        StartAndPrepare();
        _link.Close("gone");
        Tell(new Dismissed("the job is done"));
        Assert.Equal(new(0, "the job is done"), await _end.Task.Soon());
    }

    /// <summary>Applies a round, and loses the link.</summary>
    private async Task<WorkerSession> LoseLinkAsync(LocalTraining byHand)
    {
        StartAndPrepare();
        Tell(new BeginPlan(1, 0, 2, ["w7"], Topology.Star, [], [], []));
        Reduce(byHand, 1, 0);
        Next<RoundsApplied>();
        _link.Close("gone");
        var lost = await _end.Task.Soon();
        Assert.StartsWith("the link to the coordinator was lost: ", lost.Reason, StringComparison.Ordinal);
        Assert.True(lost.MayReturn);
        return lost.Session!;
    }

    [Fact]
    public void A_peer_that_cannot_be_reached_is_reported()
    {
        var job = _job with { Topology = "mesh" };
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(job));
        Start();
        Next<Register>();
        Welcome(JobFile.Format(job), link);
        var prepared = Assert.IsType<Prepared>(NextButOffers());
        Tell(new BeginPlan(1, 0, 2, ["w7", "w8"], Topology.Mesh, [prepared.LinkHost, prepared.LinkHost], [prepared.LinkPort, 1], []));

        var lost = Next<PeerLost>();
        Assert.Equal((1, "w8"), (lost.Generation, lost.Peer));
        Assert.False(_end.Task.IsCompleted);
    }

    [Fact]
    public async Task A_plan_that_cannot_be_is_reported()
    {
        StartAndPrepare();
        Tell(new BeginPlan(1, 0, 2, ["somebody else"], Topology.Star, [], [], []));

        Assert.Equal("generation 1 has no part for w7", Next<Failed>().Reason);
        Assert.Equal(new(1, "generation 1 has no part for w7"), await _end.Task.Soon());
    }

    [Fact]
    public async Task Without_a_coordinator_it_looks_for_one()
    {
        StartAndPrepare();
        nodes.Coordinator.Stop(_coordinator.Ref);
        var end = await _end.Task.Soon();
        Assert.Equal(("the coordinator is gone", true), (end.Reason, end.MayReturn));
        end.Session!.Dispose();
    }

    [Fact]
    public async Task A_worker_that_is_stopped_says_so()
    {
        StartAndPrepare();
        nodes.Worker.Stop(_worker);
        Assert.Equal(new(1, "the worker was stopped"), await _end.Task.Soon());
        await _link.Closed.Soon();
    }

    [Fact]
    public async Task It_answers_at_once_while_the_replica_is_busy_with_a_long_step()
    {
        // One micro-batch of the whole training set, in a wide network: seconds on one thread.
        var job = TestJobs.Of(new MlpSpec { Hidden = [2048, 2048] }) with { Batch = TestJobs.Data.Train.Count, MicroBatches = 1 };
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(job));
        var unreachable = nodes.WatchReachability();
        Start();
        Next<Register>();
        Welcome(JobFile.Format(job), link);
        Assert.IsType<Prepared>(NextButOffers());

        Tell(new BeginPlan(1, 0, 1, ["w7"], Topology.Star, [], [], []));
        var answers = 0;
        for (; link.WaitingFrames == 0; answers++) await AssertAnswersAsync();

        Assert.True(answers > 20, $"only {answers} answers during the step: make it longer");
        Assert.Equal(FrameKind.Contribution, link.NextFrame().Header.Kind);
        AssertReachable(unreachable);
    }

    [Fact]
    public async Task It_answers_at_once_while_the_replicas_thread_is_blocked()
    {
        using var nothing = new TemporaryFolder();
        using var network = new SilentNetwork();
        var unreachable = nodes.WatchReachability();
        Start(new() { SharedDirectory = null, SystemDirectory = nothing.Path, CacheDirectory = nothing.Path, HttpHandler = network });
        Next<Register>();
        Welcome(JobFile.Format(_job with { Data = new KnownData(FashionMnistFiles.Name) }));
        Assert.Contains(nothing.Path, Assert.IsType<FindData>(NextButOffers()).Missing, StringComparison.Ordinal);
        Tell(new NoData("no network here"));
        await network.Asked.Soon();

        for (var i = 0; i < 100; i++) await AssertAnswersAsync();

        AssertReachable(unreachable);
        network.Answer();
        var reason = Assert.IsType<Failed>(NextButOffers()).Reason;
        Assert.StartsWith("fashion-mnist is not on this machine, and the download failed", reason, StringComparison.Ordinal);
        Assert.Contains("the coordinator cannot send it: no network here. Install", reason, StringComparison.Ordinal);
        Assert.Equal(1, (await _end.Task.Soon()).ExitCode);
    }

    [Fact]
    public async Task Data_that_is_not_here_comes_over_the_link_once_and_is_found_by_the_next_worker()
    {
        using var folder = new TemporaryFolder();
        byte[] table = [.. "x,y\n"u8, .. Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 50).Select(i => $"{i},{2 * i}")))];
        var set = DeliveredSet.Of(("0/line.csv", table));
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(_table));
        var without = new DataOptions { DataDirectory = folder.Path, CacheDirectory = folder.At("cache") };
        Start(without);
        Next<Register>();
        Welcome(JobFile.Format(_table), link);
        Assert.Equal($"'{folder.At("line.csv")}' does not exist on {Environment.MachineName}", Assert.IsType<FindData>(NextButOffers()).Missing);
        Tell(new DataFound(set.Key, set.ManifestBytes, table.Length));
        Assert.Equal(set.Key, Next<SendData>().Key);
        link.SendData(set.Bytes);
        var first = Next<Prepared>();
        Assert.Equal((40, 10), (first.TrainSamples, first.TestSamples));
        // The one connection goes on.
        Tell(new SendState(0));
        Assert.Equal(FrameKind.State, link.NextFrame().Header.Kind);
        await _worker.GracefulStop(Patience.Limit);

        _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using var again = new ScriptedCoordinator(JobFile.Fingerprint(_table));
        Start(without);
        Next<Register>();
        Welcome(JobFile.Format(_table), again);
        Assert.IsType<FindData>(NextButOffers());
        Tell(new DataFound(set.Key, set.ManifestBytes, table.Length));
        Assert.Equal(first.DataFingerprint, Next<Prepared>().DataFingerprint);
    }

    [Theory]
    [InlineData("0123", 10, 10, "the coordinator offers malformed data")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0, 10, "the coordinator offers malformed data")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 10, -1, "the coordinator offers malformed data")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 10, 1001, "the coordinator would send 1001 bytes; allowed are 1000. Allow more with --data-limit")]
    public async Task Data_that_it_may_not_take_is_refused_before_it_comes(string key, int manifestBytes, long bytes, string reason)
    {
        using var folder = new TemporaryFolder();
        Start(new() { DataDirectory = folder.Path, CacheDirectory = folder.At("cache"), DeliveryLimit = 1000 });
        Next<Register>();
        Welcome(JobFile.Format(_table));
        Assert.IsType<FindData>(NextButOffers());
        Tell(new DataFound(key, manifestBytes, bytes));
        Assert.Contains(reason, Next<Failed>().Reason, StringComparison.Ordinal);
        Assert.Equal(1, (await _end.Task.Soon()).ExitCode);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Data_that_nobody_has_is_told_with_both_places(bool asks)
    {
        using var folder = new TemporaryFolder();
        Start(new() { DataDirectory = folder.Path, CacheDirectory = folder.At("cache"), DeliveryLimit = asks ? 1 : 0 });
        Next<Register>();
        Welcome(JobFile.Format(_table));
        if (asks)
        {
            Assert.IsType<FindData>(NextButOffers());
            Tell(new NoData("'/there/line.csv' does not exist on there"));
        }
        Assert.StartsWith(
            $"'{folder.At("line.csv")}' does not exist on {Environment.MachineName}{(asks ? ", and the coordinator cannot send it: '/there/line.csv' does not exist on there" : "")}. Give",
            Assert.IsType<Failed>(NextButOffers()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_that_breaks_while_data_comes_is_made_anew()
    {
        using var folder = new TemporaryFolder();
        var set = DeliveredSet.Of(("0/line.csv", new byte[1_000_000]));
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(_table));
        Start(new() { DataDirectory = folder.Path, CacheDirectory = folder.At("cache") });
        Next<Register>();
        Welcome(JobFile.Format(_table), link);
        Assert.IsType<FindData>(NextButOffers());
        Tell(new DataFound(set.Key, set.ManifestBytes, set.Bytes.Length - set.ManifestBytes));
        Next<SendData>();
        link.SendData(set.Bytes.AsMemory(0, 300_000));
        link.Close("gone");
        Assert.NotEmpty(Next<Failed>().Reason);
        var end = await _end.Task.Soon();
        Assert.True(end is { MayReturn: true, Session: null });
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.At("cache", "delivered")));
    }

    private void Start(DataOptions? data = null, WorkerSession? session = null, PluginSet? plugins = null)
    {
        if (session is not null) _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = _end;
        var options = new WorkerOptions("fritz", nodes.Address, "127.0.0.1", 0, CPU, data ?? new(), _patience) { MetricsPort = 9464, Plugins = plugins ?? PluginSet.None };
        var metrics = new WorkerMetrics(_registry, "cpu");
        _worker = nodes.Worker.ActorOf(Props.Create(() => new WorkerActor(options, end, metrics, _readiness, NullLogger.Instance, session)));
    }

    private void StartAndPrepare()
    {
        Start();
        Next<Register>();
        Welcome();
        Assert.IsType<Prepared>(NextButOffers());
    }

    /// <summary>Takes in the worker that sent the last message.</summary>
    private void Welcome(string? job = null, ScriptedCoordinator? link = null, byte[]? token = null, bool isAdopted = false, long reportFrom = 0)
    {
        _conversation = new(_conversation.Id + 1, ConversationLimits.Coordinator);
        _coordinator.Reply(new Welcome(
            "w7", job ?? JobFile.Format(_job), ScriptedCoordinator.Host, (link ?? _link).Port, token ?? _link.Token, isAdopted, reportFrom, Conversation: _conversation.Id));
    }

    private void Tell(ICoordinatorMessage message)
    {
        _conversation.Say(message);
        Send();
    }

    private void Send()
    {
        foreach (var due in _conversation.Due()) _coordinator.Reply(due);
    }

    private T Next<T>() => Assert.IsType<T>(Next());

    private object Next()
    {
        while (true)
        {
            switch (_coordinator.ExpectMsg<object>(Patience.Limit))
            {
                case Numbered numbered:
                    var said = _conversation.Hear(numbered);
                    Send();
                    if (said is not null) return said;
                    break;
                case Heard heard:
                    _conversation.Hear(heard);
                    break;
                case var other:
                    return other;
            }
        }
    }

    /// <summary>The next message; an offer may have been on its way when the worker was taken in.</summary>
    private object NextButOffers()
    {
        while (true)
            if (Next() is var message and not Register) return message;
    }

    /// <summary>As the reducer of a cluster of this worker alone; the average is that of the kernel run by hand.</summary>
    private void Reduce(LocalTraining byHand, int generation, long number)
    {
        var round = byHand.Replica.Rounds.At(number);
        using var pool = new VectorPool(byHand.Replica.Map.Layout);
        _link.NextSum(pool, generation, round, new(0, round.MicroBatches)).Release();
        var average = byHand.Average(round);
        _link.SendAverage(average, generation, round);
        byHand.Replica.Apply.Step(round, average);
        average.Release();
    }

    private async Task<string> MetricsAsync()
    {
        using var stream = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Far sooner than the failure detector's ten seconds.</summary>
    private async Task AssertAnswersAsync() =>
        Assert.NotNull(await nodes.Worker.ActorSelection(_coordinator.LastSender.Path.ToStringWithoutAddress()).ResolveOne(TimeSpan.FromSeconds(3)));

    private void AssertReachable(TestProbe unreachable)
    {
        Assert.False(unreachable.HasMessages);
        Assert.Equal(2, Akka.Cluster.Cluster.Get(nodes.Coordinator).State.Members.Count(member => member.Status == Akka.Cluster.MemberStatus.Up));
    }

    /// <summary>A network whose first request waits, and with it the thread that asked, until it is told to fail.</summary>
    private sealed class SilentNetwork : HttpMessageHandler
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<HttpResponseMessage> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Asked => _asked.Task;

        public void Answer() => _answer.TrySetResult(new(HttpStatusCode.NotFound));

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            _asked.TrySetResult();
            return _answer.Task;
        }
    }
}
