using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>What a replica tells its worker's actor beside the messages for the coordinator.</summary>
internal abstract record ReplicaNotice
{
    /// <summary>Data and model are loaded; the pool is for the averages.</summary>
    internal sealed record Prepared(WorkerFacts Facts, VectorPool Pool, DataDescription Data) : ReplicaNotice;

    /// <summary>The initial parameters are taken from a file; <paramref name="What"/> says which.</summary>
    internal sealed record Initialized(StateDigest Digest, string What) : ReplicaNotice;

    /// <summary>The replica cannot go on; its thread has ended.</summary>
    internal sealed record Failed(string Reason) : ReplicaNotice;

    internal sealed record CoordinatorLost(string Reason) : ReplicaNotice;
}

/// <summary>
/// Runs a replica on a thread of its own, never on an actor's, and executes what <see cref="ReplicaProtocol"/> decides. Between two
/// micro-batches it looks for events, so that a halt is answered within one.
/// </summary>
internal sealed class ReplicaThread : IDisposable
{
    private readonly string _worker;
    private readonly Job _job;
    private readonly DataOptions _data;
    private readonly Device _device;
    private readonly ReplicaOutbox _outbox;
    private readonly PluginSet? _plugins;
    private readonly bool _isInitialStrict;
    private readonly Mailbox _mailbox = new();
    private readonly Func<bool> _hasMail;
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private int _generation;
    private long _applied;

    // Owned by the thread.
    private ReplicaProtocol _protocol = null!;
    private Replica _replica = null!;
    private VectorPool _pool = null!;
    private WorkerLinks? _links;
    private TrainingStep? _step;
    private bool _isEnding;
    private bool _isOverlapNoted;
    private byte[] _arrived = [];

    /// <summary>Starts the thread, which prepares itself at once.</summary>
    /// <param name="data">Where the data is looked for.</param>
    /// <param name="isInitialStrict">Whether a file of initial parameters must hold exactly the tensors of the model.</param>
    public ReplicaThread(
        string worker, Job job, DataOptions data, Device device, ReplicaOutbox outbox,
        PluginSet? plugins = null, bool isInitialStrict = true)
    {
        (_worker, _job, _data, _device, _outbox) = (worker, job, data, device, outbox);
        (_plugins, _isInitialStrict) = (plugins, isInitialStrict);
        _hasMail = () => !_mailbox.IsEmpty;
        _thread = new(Run) { Name = "replica", IsBackground = true };
        _thread.Start();
    }

    /// <summary>What it holds of the job. Read from any thread.</summary>
    public Holding Holding => new(Volatile.Read(ref _generation), Volatile.Read(ref _applied));

    /// <summary>Why the thread has ended by itself; null while it has not. Read from any thread.</summary>
    public string? Fault { get; private set; }

    /// <summary>Complete when the thread has ended and everything is freed.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Uses these links from now on, and disposes them; before any plan.</summary>
    public void Attach(WorkerLinks links) => _mailbox.Post(() =>
    {
        _links = links;
        _step = new(_worker, _job, _replica, _pool, links, _outbox);
    });

    /// <param name="endpoints">Where the links of its workers are reached.</param>
    /// <param name="best">The best first metric of any checkpoint so far; NaN before the first.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints, double best = double.NaN) =>
        _mailbox.Post(() => Handle(new ReplicaEvent.PlanBegan(plan, endpoints, best)));

    /// <summary>The coordinator calls for a stop under a new generation.</summary>
    public void Halt(int generation) => _mailbox.Post(() => Handle(new ReplicaEvent.HaltAsked(generation)));

    /// <summary>Sends this replica's state to the coordinator.</summary>
    public void SendState(int generation) => _mailbox.Post(() => _links!.SendState(generation, _protocol.Applied, _replica.Serialize()));

    /// <summary>Something has come over the links; called under their gate.</summary>
    public void Receive(LinkNotice notice)
    {
        switch (notice)
        {
            case LinkNotice.AverageComplete:
                Wake();
                break;
            case LinkNotice.StateArrived state:
                _mailbox.Post(() => Restore(state));
                break;
            case LinkNotice.InitialArrived initial:
                Initialize(initial.File);
                break;
            case LinkNotice.PeerLost lost:
                _mailbox.Post(() => Tell(new PeerLost(lost.Generation, lost.Peer, lost.Reason)));
                break;
            case LinkNotice.CoordinatorLost lost:
                _outbox.Tell(new ReplicaNotice.CoordinatorLost(lost.Reason));
                break;
        }
    }

    /// <summary>The file with the initial parameters has come, before any plan.</summary>
    public void Initialize(byte[] file) => _mailbox.Post(() =>
    {
        var what = InitialParameters.Import(_replica, file, _isInitialStrict);
        Tell(new ReplicaNotice.Initialized(_replica.Digest(), what));
    });

    /// <summary>Looks again at what it waits for.</summary>
    public void Wake() => _mailbox.Signal();

    /// <summary>Ends the thread after the micro-batch in progress; does not wait for it.</summary>
    public void Stop() => _mailbox.Post(() => _isEnding = true);

    /// <summary>Ends the thread and waits for it.</summary>
    public void Dispose()
    {
        Stop();
        if (Thread.CurrentThread != _thread) _thread.Join();
    }

    private void Run()
    {
        try
        {
            Prepare();
            while (!_isEnding) RunOnce();
        }
        // The thread is where the user's model, data and device meet: every failure of theirs is told.
        catch (Exception error)
        {
            _outbox.Tell(new ReplicaNotice.Failed(Fault = error.Message));
        }
        finally
        {
            _step?.Dispose();
            _links?.Dispose();
            _replica?.Dispose();
            _pool?.Dispose();
            _completion.TrySetResult();
        }
    }

    private void Prepare()
    {
        set_num_threads(_job.Threads);
        var data = DataSets.Load(_job, _data);
        _replica = new(_job, data, _device, _plugins);
        _protocol = new(_worker, _replica.Rounds);
        _pool = _replica.CreatePool();
        var task = _replica.Task;
        var facts = new WorkerFacts(
            task.DataFingerprint, task.TrainSamples, task.TestSamples, _pool.Layout, _replica.StateBytes, $"{_replica.Digest()}", "", 0);
        _outbox.Tell(new ReplicaNotice.Prepared(facts, _pool, data.Describe()));
    }

    private void RunOnce()
    {
        if (_mailbox.TryTake(out var happened)) happened();
        else if (_step?.TryRun(_hasMail) == true) Complete();
        else if (!_mailbox.Wait(_outbox.IsPending ? ReplicaOutbox.Interval : Timeout.InfiniteTimeSpan)) _outbox.Flush();
    }

    private void Complete()
    {
        Handle(new ReplicaEvent.RoundApplied());
        if (!_isOverlapNoted && _replica.Map.OverlapNote is { } note) _isOverlapNoted = Tell(new Noted(note));
    }

    private void Handle(ReplicaEvent happened)
    {
        (_protocol, var effects) = _protocol.Handle(happened);
        foreach (var effect in effects) Execute(effect);
        Volatile.Write(ref _generation, _protocol.Generation);
        Volatile.Write(ref _applied, _protocol.Applied);
    }

    private void Execute(ReplicaEffect effect)
    {
        switch (effect)
        {
            case ReplicaEffect.Fence fence:
                _step!.Stop();
                _links!.Fence(fence.Generation);
                break;
            case ReplicaEffect.Begin begin:
                _step!.Best = begin.Best;
                _links!.Begin(begin.Plan, begin.Endpoints);
                break;
            case ReplicaEffect.Step step:
                _step!.Begin(step);
                break;
            case ReplicaEffect.Restore:
                _replica.Restore(_arrived);
                break;
            case ReplicaEffect.ReportHalted halted:
                Tell(new Halted(halted.Generation, halted.Applied, _replica.Digest()));
                break;
            case ReplicaEffect.ReportSynced synced:
                _outbox.Flush();
                _outbox.TellSynced(new(synced.Generation, synced.Applied, _replica.Digest()));
                break;
        }
    }

    private void Restore(LinkNotice.StateArrived state)
    {
        _arrived = state.State;
        Handle(new ReplicaEvent.StateArrived(state.Generation, state.Applied));
        _arrived = [];
    }

    /// <summary>Tells the actor, after the reports of what was applied before.</summary>
    private bool Tell(object message)
    {
        _outbox.Flush();
        return _outbox.Tell(message);
    }
}
