using System.Collections.Concurrent;
using System.Numerics.Tensors;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Replicas;

/// <summary>A replica on its thread, linked to a scripted coordinator on this machine, with the notices that it sends.</summary>
internal sealed class LinkedReplica : IDisposable
{
    public const string Worker = "w2";

    private readonly BlockingCollection<Notice> _notices = [];
    private readonly TaskCompletionSource<string> _linkClosed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A message of the replica, the thread that sent it, and how many tensors that thread had made by then.</summary>
    public sealed record Notice(object What, Thread Thread, long TensorsMade);

    /// <summary>Starts the thread; the replica is not prepared yet and has no link.</summary>
    public LinkedReplica(Job job, DataOptions data)
    {
        Job = job;
        Coordinator = new(JobFile.Fingerprint(job));
        var outbox = new ReplicaOutbox(long.MaxValue);
        outbox.Resume(Hear);
        Thread = new(Worker, job, data, CPU, outbox);
    }

    public Job Job { get; }

    public ScriptedCoordinator Coordinator { get; }

    public ReplicaThread Thread { get; }

    public WorkerFacts Facts { get; private set; } = null!;

    public VectorPool Pool { get; private set; } = null!;

    public Rounds Rounds { get; private set; } = null!;

    /// <summary>Every round that was reported.</summary>
    public List<RoundReport> Reports { get; } = [];

    /// <summary>All notices read so far, in order; read it only when the replica is idle.</summary>
    public List<Notice> Heard { get; } = [];

    /// <summary>Runs on the replica's thread when rounds are reported.</summary>
    public Action<IReadOnlyList<RoundReport>> OnApplied { get; set; } = _ => { };

    public Task<string> LinkClosed => _linkClosed.Task;

    /// <summary>Prepares a replica and connects its link.</summary>
    public static async Task<LinkedReplica> StartAsync(Job job)
    {
        var replica = new LinkedReplica(job, new());
        (replica.Facts, replica.Pool) = ((WorkerFacts, VectorPool))replica.Next<(WorkerFacts, VectorPool)>().What;
        replica.Rounds = job.ToShape().RoundsOf(replica.Facts);
        var metrics = new WorkerMetrics(Prometheus.Metrics.NewCustomRegistry(), "cpu");
        var identity = new LinkIdentity(JobFile.Fingerprint(job), replica.Coordinator.Token, Worker);
        var links = new WorkerLinks(
            new(identity, replica.Rounds, replica.Pool, replica.Facts.StateBytes, new(false), new(), metrics.Links), replica.Receive);
        var port = replica.Coordinator.Port;
        links.Connect(await LinkHandshake.ConnectAsync(ScriptedCoordinator.Host, port, identity, new(), default).Soon());
        replica.Thread.Attach(links);
        return replica;
    }

    /// <summary>Waits for a notice of one type; keeps the reports of rounds that arrive before it.</summary>
    public Notice Next<T>()
    {
        while (true)
        {
            var notice = _notices.TakeSoon();
            Heard.Add(notice);
            if (notice.What is RoundsApplied progress) Reports.AddRange(progress.Rounds);
            if (notice.What is T) return notice;
            if (notice.What is not RoundsApplied) Assert.Fail($"{notice.What} instead of a {typeof(T).Name}");
        }
    }

    /// <summary>Asks it to stop under a generation, and waits for its answer.</summary>
    /// <returns>Rounds applied.</returns>
    public long Halt(int generation)
    {
        Thread.Halt(generation);
        var (answered, applied, _) = (Halted)Next<Halted>().What;
        Assert.Equal(generation, answered);
        return applied;
    }

    /// <summary>Begins a plan from a round to the end of the job; without names, for this worker alone.</summary>
    public void Begin(int generation, long firstRound, params string[] workers) =>
        Thread.Begin(new(generation, firstRound, Rounds.Count, workers.Length == 0 ? [Worker] : [.. workers], Topology.Star), []);

    /// <summary>Acts as the reducer of a cluster of this worker alone: takes the sum of a round and sends the average.</summary>
    public void Reduce(int generation, long number)
    {
        var average = NextAverage(generation, number);
        Coordinator.SendAverage(average, generation, Rounds.At(number));
        average.Release();
    }

    /// <summary>
    /// Acts as <see cref="Reduce"/>, and waits until the replica has applied the average and computed the next round, which the test
    /// abandons.
    /// </summary>
    public void ReduceLast(int generation, long number)
    {
        Reduce(generation, number);
        NextAverage(generation, number + 1).Release();
    }

    /// <summary>The average of a round that this worker computes alone; the caller releases it.</summary>
    public VectorBuffer NextAverage(int generation, long number)
    {
        var round = Rounds.At(number);
        var sum = Coordinator.NextSum(Pool, generation, round, new(0, round.MicroBatches));
        if (round.Kind == RoundKind.Train) TensorPrimitives.Divide(sum.Floats, round.Samples, sum.Floats);
        return sum;
    }

    public void Dispose()
    {
        Thread.Dispose();
        Coordinator.Dispose();
    }

    private void Receive(LinkNotice notice)
    {
        if (notice is LinkNotice.CoordinatorLost coordinator) _linkClosed.TrySetResult(coordinator.Reason);
        else if (notice is LinkNotice.PeerLost peer) _linkClosed.TrySetResult(peer.Reason);
        else Thread.Receive(notice);
    }

    private void Hear(object what)
    {
        if (what is RoundsApplied applied) OnApplied(applied.Rounds);
        what = what switch
        {
            ReplicaNotice.Prepared prepared => (prepared.Facts, prepared.Pool),
            ReplicaNotice.Initialized initialized => (initialized.Digest, initialized.What),
            ReplicaNotice.Failed failed => new Failed(failed.Reason),
            _ => what,
        };
        var made = DisposeScopeManager.Statistics;
        _notices.Add(new(what, System.Threading.Thread.CurrentThread, made.CreatedInScopeCount + made.CreatedOutsideScopeCount));
    }
}
