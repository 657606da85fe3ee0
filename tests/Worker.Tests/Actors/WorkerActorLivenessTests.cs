using System.Net;
using Akka.TestKit;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Replicas;

namespace Distributed.Worker.Tests.Actors;

/// <summary>A worker's actor answers while the thread of its replica is busy or blocked.</summary>
[Collection(TorchTests.Name)]
public sealed class WorkerActorLivenessTests(TwoNodes nodes) : WorkerActorTestBase(nodes), IClassFixture<TwoNodes>
{
    [Fact]
    public async Task A_worker_answers_at_once_while_its_replica_computes_a_long_step()
    {
        // One micro-batch of the whole training set, in a wide network, takes seconds on one thread.
        var job = TestJobs.Of(new MlpSpec { Hidden = [2048, 2048] }) with { Batch = TestJobs.Data.Train.Count, MicroBatches = 1 };
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(job));
        var unreachable = Nodes.WatchReachability();
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
    public async Task A_worker_answers_at_once_while_the_thread_of_its_replica_is_blocked()
    {
        using var nothing = new TemporaryFolder();
        using var network = new SilentNetwork();
        var unreachable = Nodes.WatchReachability();
        Start(new() { SharedDirectory = null, SystemDirectory = nothing.Path, CacheDirectory = nothing.Path, HttpHandler = network });
        Next<Register>();
        Welcome(JobFile.Format(Job with { Data = new KnownData(FashionMnistFiles.Name) }));
        Assert.Contains(nothing.Path, Assert.IsType<FindData>(NextButOffers()).Missing, StringComparison.Ordinal);
        Tell(new NoData("no network here"));
        await network.Asked.Soon();

        for (var i = 0; i < 100; i++) await AssertAnswersAsync();

        AssertReachable(unreachable);
        network.Answer();
        var reason = Assert.IsType<Failed>(NextButOffers()).Reason;
        Assert.StartsWith("fashion-mnist is not on this machine, and the download failed", reason, StringComparison.Ordinal);
        Assert.Contains("the coordinator cannot send it: no network here. Install", reason, StringComparison.Ordinal);
        Assert.Equal(1, (await End.Task.Soon()).ExitCode);
    }

    /// <summary>The limit is far below the ten seconds of the failure detector.</summary>
    private async Task AssertAnswersAsync()
    {
        var worker = Nodes.Worker.ActorSelection(Coordinator.LastSender.Path.ToStringWithoutAddress());
        Assert.NotNull(await worker.ResolveOne(TimeSpan.FromSeconds(3)));
    }

    private void AssertReachable(TestProbe unreachable)
    {
        Assert.False(unreachable.HasMessages);
        var members = Akka.Cluster.Cluster.Get(Nodes.Coordinator).State.Members;
        Assert.Equal(2, members.Count(member => member.Status == Akka.Cluster.MemberStatus.Up));
    }

    /// <summary>A network whose first request blocks the thread that made it, until the test lets it fail.</summary>
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
