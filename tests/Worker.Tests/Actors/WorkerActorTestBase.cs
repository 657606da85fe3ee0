using Akka.Actor;
using Akka.TestKit;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;
using Distributed.Worker.Cluster;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Actors;

/// <summary>A worker's actor under test; the test plays the coordinator, with a probe for messages and a scripted link.</summary>
public abstract class WorkerActorTestBase(TwoNodes nodes) : IAsyncLifetime
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    private protected static Job Job { get; } = TestJobs.Of(TestJobs.Noisy);

    private protected TwoNodes Nodes { get; } = nodes;

    private protected ScriptedCoordinator Link { get; } = new(JobFile.Fingerprint(Job));

    private protected CollectorRegistry Registry { get; } = Metrics.NewCustomRegistry();

    private protected Readiness WorkerReadiness { get; } = new("joining the cluster");

    /// <summary>Completes when the worker ends.</summary>
    private protected TaskCompletionSource<WorkerEnd> End { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The probe that plays the coordinator.</summary>
    private protected TestProbe Coordinator { get; private set; } = null!;

    private protected Conversation Conversation { get; private set; } = new(0, ConversationLimits.Coordinator);

    /// <summary>The worker's actor that was started last.</summary>
    private protected IActorRef Actor { get; private set; } = ActorRefs.Nobody;

    public async ValueTask InitializeAsync() => Coordinator = await Nodes.PlayCoordinatorAsync();

    public async ValueTask DisposeAsync()
    {
        await Actor.GracefulStop(Patience.Limit);
        Link.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected void Start(DataOptions? data = null, WorkerSession? session = null, PluginSet? plugins = null)
    {
        if (session is not null) End = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = End;
        var options = new WorkerOptions("fritz", Nodes.Address, "127.0.0.1", 0, CPU, data ?? new(), _patience)
        {
            MetricsPort = 9464,
            Plugins = plugins ?? PluginSet.None,
        };
        var metrics = new WorkerMetrics(Registry, "cpu");
        var readiness = WorkerReadiness;
        Actor = Nodes.Worker.ActorOf(Props.Create(() =>
            new WorkerActor(options, end, metrics, readiness, NullLogger.Instance, session)));
    }

    private protected void StartAndPrepare()
    {
        Start();
        Next<Register>();
        Welcome();
        Assert.IsType<Prepared>(NextButOffers());
    }

    /// <summary>Admits the worker that sent the last message.</summary>
    private protected void Welcome(
        string? job = null,
        ScriptedCoordinator? link = null,
        byte[]? token = null,
        bool isAdopted = false,
        long reportFrom = 0)
    {
        Conversation = new(Conversation.Id + 1, ConversationLimits.Coordinator);
        Coordinator.Reply(new Welcome(
            "w7",
            job ?? JobFile.Format(Job),
            ScriptedCoordinator.Host,
            (link ?? Link).Port,
            token ?? Link.Token,
            isAdopted,
            reportFrom,
            Conversation: Conversation.Id));
    }

    private protected void Tell(ICoordinatorMessage message)
    {
        Conversation.Say(message);
        Send();
    }

    private void Send()
    {
        foreach (var due in Conversation.Due()) Coordinator.Reply(due);
    }

    private protected T Next<T>() => Assert.IsType<T>(Next());

    private protected object Next()
    {
        while (true)
        {
            switch (Coordinator.ExpectMsg<object>(Patience.Limit))
            {
                case Numbered numbered:
                    var said = Conversation.Hear(numbered);
                    Send();
                    if (said is not null) return said;
                    break;
                case Heard heard:
                    Conversation.Hear(heard);
                    break;
                case var other:
                    return other;
            }
        }
    }

    /// <summary>The next message that is not an offer; one may have been in transit when the worker was admitted.</summary>
    private protected object NextButOffers()
    {
        while (true)
            if (Next() is var message and not Register) return message;
    }

    /// <summary>Acts as the reducer of a cluster of this worker alone, with the average of the kernel that the test runs by hand.</summary>
    private protected void Reduce(LocalTraining byHand, int generation, long number)
    {
        var round = byHand.Replica.Rounds.At(number);
        using var pool = new VectorPool(byHand.Replica.Map.Layout);
        Link.NextSum(pool, generation, round, new(0, round.MicroBatches)).Release();
        var average = byHand.Average(round);
        Link.SendAverage(average, generation, round);
        byHand.Replica.Apply.Step(round, average);
        average.Release();
    }
}
