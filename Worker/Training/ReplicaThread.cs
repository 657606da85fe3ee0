using System.Collections.Immutable;
using System.Diagnostics;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Transport.Buffers;
using Distributed.Worker.Data;
using Distributed.Worker.Plugins;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>Who wants to know what a replica does; called on the replica's thread.</summary>
internal interface IReplicaObserver
{
    /// <summary>Data and model are there; the pool is for the link's averages.</summary>
    void Prepared(WorkerFacts facts, VectorPool pool, DataDescription data);

    /// <summary>Has taken the parameters to begin with out of a file: the digest after that, and what was taken.</summary>
    void Initialized(StateDigest digest, string what);

    /// <summary>Stopped for a new generation, with this digest of the parameters and buffers.</summary>
    void Halted(int generation, long applied, StateDigest digest);

    /// <summary>Caught up, to this digest.</summary>
    void Synced(int generation, long applied, StateDigest digest);

    /// <summary>Rounds applied since the last call.</summary>
    void Applied(IReadOnlyList<RoundReport> rounds);

    /// <summary>Whether another round may be begun: false while the reports of as many as can be kept are not safe. <see cref="ReplicaThread.Wake"/> tells of a change.</summary>
    bool MayApply { get; }

    /// <summary>The link to another worker of a plan is closed; what was applied before that is reported.</summary>
    void PeerLost(int generation, string peer, string reason);

    /// <summary>Cannot go on; the thread has ended.</summary>
    void Failed(string reason);
}

/// <summary>
/// Runs a replica on a thread of its own, never on an actor's: carries out what <see cref="ReplicaProtocol"/> decides.
/// Between two micro-batches it looks for events, so that a halt is answered within one.
/// </summary>
internal sealed class ReplicaThread : ISliceSink, IDisposable
{
    /// <summary>More than the fastest job applies between two reports.</summary>
    public const int MaxReports = 1024;

    private static readonly TimeSpan _reportInterval = TimeSpan.FromMilliseconds(200);

    private readonly string _worker;
    private readonly Job _job;
    private readonly DataOptions _data;
    private readonly Device _device;
    private readonly IReplicaObserver _observer;
    private readonly PluginSet? _plugins;
    private readonly Mailbox _mailbox = new();
    private readonly Func<bool> _hasMail;
    private readonly List<RoundReport> _reports = [];
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;

    // Owned by the thread.
    private ReplicaProtocol _protocol = null!;
    private Replica _replica = null!;
    private VectorPool _pool = null!;
    private Exchange? _exchange;
    private RoundWork? _work;
    private MapSums _sums = null!;
    private bool _isMapping;
    private bool _isEnding;
    private RoundTimes _times;
    private double _sendSeconds;
    private TimeSpan _reducing;
    private long _sentComputing;
    private long _sentWaiting;
    private int _generation;
    private long _applied;
    private long _lapStart;
    private long _lastReport;
    private double _best;
    private double _nextBest;
    private ImmutableArray<LinkEndpoint> _endpoints;
    private byte[] _arrived = [];

    /// <summary>Starts the thread, which prepares itself at once.</summary>
    /// <param name="data">Where the data is looked for.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="plugins">Libraries of models and tasks; null for none.</param>
    public ReplicaThread(string worker, Job job, DataOptions data, Device device, IReplicaObserver observer, PluginSet? plugins = null)
    {
        (_worker, _job, _data, _device, _observer, _plugins) = (worker, job, data, device, observer, plugins);
        _hasMail = () => !_mailbox.IsEmpty;
        _thread = new(Run) { Name = "replica", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Uses these links from now on, and disposes them; before any plan.</summary>
    public void Attach(Exchange exchange) => _mailbox.Post(() => _exchange = exchange);

    /// <param name="endpoints">Where the links of its workers are reached.</param>
    /// <param name="best">The most that the first metric has been in a checkpoint so far; not a number where there is none.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints, double best = double.NaN) => _mailbox.Post(() =>
    {
        (_endpoints, _nextBest) = (endpoints, best);
        Handle(new ReplicaEvent.PlanBegan(plan));
    });

    /// <summary>The coordinator calls for a stop under a new generation.</summary>
    public void Halt(int generation) => _mailbox.Post(() => Handle(new ReplicaEvent.HaltAsked(generation)));

    /// <summary>Sends this replica's state to the coordinator.</summary>
    public void SendState(int generation) => _mailbox.Post(() => _exchange!.SendState(generation, _protocol.Applied, _replica.Serialize()));

    public void AverageComplete() => _mailbox.Signal();

    /// <summary>Looks again at what it waits for.</summary>
    public void Wake() => _mailbox.Signal();

    /// <summary>The link to another worker is closed: the coordinator is told, after it has heard of the newest round.</summary>
    public void LosePeer(int generation, string peer, string reason) => _mailbox.Post(() =>
    {
        Report();
        _observer.PeerLost(generation, peer, reason);
    });

    public void Restore(int generation, long applied, byte[] state) => _mailbox.Post(() =>
    {
        _arrived = state;
        Handle(new ReplicaEvent.StateArrived(generation, applied));
        _arrived = [];
    });

    /// <summary>The file with the parameters to begin with has come, before any plan.</summary>
    /// <param name="isStrict">Whether it must hold exactly the tensors of the model.</param>
    public void Initialize(byte[] file, bool isStrict) => _mailbox.Post(() =>
    {
        var what = InitialParameters.Import(_replica, file, isStrict);
        _observer.Initialized(_replica.Digest(), what);
    });

    /// <summary>What it holds of the job. Read from any thread.</summary>
    public Holding Holding => new(Volatile.Read(ref _generation), Volatile.Read(ref _applied));

    /// <summary>Bytes of contributions that left while this thread computed. Read from any thread.</summary>
    public long SentComputing => Volatile.Read(ref _sentComputing);

    /// <summary>Bytes of contributions that left while this thread waited for the average. Read from any thread.</summary>
    public long SentWaiting => Volatile.Read(ref _sentWaiting);

    /// <summary>Why the thread has ended by itself; null while it has not. Read from any thread.</summary>
    public string? Fault { get; private set; }

    /// <summary>See <see cref="Map.OverlapNote"/>. Read on the replica's thread.</summary>
    public string? OverlapNote => _replica.Map.OverlapNote;

    /// <summary>Complete when the thread has ended and everything is freed.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Ends the thread after the micro-batch in progress; does not wait for it.</summary>
    public void Stop() => _mailbox.Post(() => _isEnding = true);

    /// <summary>Ends the thread and waits for it.</summary>
    public void Dispose()
    {
        Stop();
        if (Thread.CurrentThread != _thread) _thread.Join();
    }

    /// <summary>A slice of the micro-batch that is computed is final: adds it to its siblings, and lets it go if that makes a sum to send.</summary>
    void ISliceSink.Ready(int slice)
    {
        foreach (ref readonly var merge in _work!.Merges) _sums.AddSlice(merge, slice);
        if (_work.Completes is not { } node) return;
        var start = Stopwatch.GetTimestamp();
        _exchange!.Contribute(node, slice, 1, _sums.At(node));
        _sendSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private void Run()
    {
        try
        {
            Prepare();
            while (!_isEnding) Turn();
        }
        // The thread is where the user's model, data and device meet: whatever they throw is told, not lost.
        catch (Exception error)
        {
            _observer.Failed(Fault = error.Message);
        }
        finally
        {
            _sums?.Dispose();
            _exchange?.Dispose();
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
        _sums = new(_pool);
        var task = _replica.Task;
        _observer.Prepared(
            new(task.DataFingerprint, task.TrainSamples, task.TestSamples, _pool.Layout, _replica.StateBytes, _replica.Digest().ToString(), "", 0), _pool, data.Describe());
    }

    private void Turn()
    {
        if (_mailbox.TryTake(out var happened)) happened();
        else if (_isMapping && MayMap()) MapNext();
        else if (!_isMapping && _exchange is { } exchange && exchange.Await(_hasMail)) Handle(new ReplicaEvent.AverageArrived(_protocol.Generation, _protocol.Applied));
        else if (!_mailbox.Wait(_reports.Count > 0 ? _reportInterval : Timeout.InfiniteTimeSpan)) Report();
    }

    private void Handle(ReplicaEvent happened)
    {
        (_protocol, var effects) = _protocol.Handle(happened);
        foreach (var effect in effects) Carry(effect);
        Volatile.Write(ref _generation, _protocol.Generation);
        Volatile.Write(ref _applied, _protocol.Applied);
    }

    private void Carry(ReplicaEffect effect)
    {
        switch (effect)
        {
            case ReplicaEffect.Fence fence:
                _isMapping = false;
                _exchange!.Fence(fence.Generation);
                break;
            case ReplicaEffect.Begin begin:
                _best = _nextBest;
                _exchange!.Begin(begin.Plan, _endpoints);
                break;
            case ReplicaEffect.Enter enter:
                _exchange!.Enter(enter.Round.Number);
                break;
            case ReplicaEffect.Map map:
                BeginMap(map);
                break;
            case ReplicaEffect.Restore:
                _replica.Restore(_arrived);
                break;
            case ReplicaEffect.Apply apply:
                ApplyAverage(apply.Round);
                break;
            case ReplicaEffect.ReportHalted halted:
                Report();
                _observer.Halted(halted.Generation, halted.Applied, _replica.Digest());
                break;
            case ReplicaEffect.ReportSynced synced:
                Report();
                _observer.Synced(synced.Generation, synced.Applied, _replica.Digest());
                break;
        }
    }

    private void BeginMap(ReplicaEffect.Map map)
    {
        if (_work?.Round != map.Round)
        {
            _sums.Restart(map.Round.MicroBatches);
            if (_work is null) _work = new(map.Round);
            else _work.Restart(map.Round);
            _times = default;
        }
        _lapStart = Stopwatch.GetTimestamp();
        var dropped = new List<TreeNode>();
        foreach (var node in _work.Assign(map.Range, dropped)) Send(node);
        foreach (var node in dropped) _sums.Drop(node);
        if (map.Range.Count == 0) _exchange!.SendPresent();
        _isMapping = !_work.IsDone;
        _times = _times with { Send = _times.Send + Lap() };
    }

    private bool MayMap()
    {
        if (_observer.MayApply) return true;
        Report();
        return false;
    }

    private void MapNext()
    {
        var work = _work!;
        _sendSeconds = 0;
        _replica.Map.Compute(work.Round, work.Next, _sums.Place(work.Next, work.Merges), this, AfterNext());
        _sums.Complete(work.Merges);
        work.Advance();
        _isMapping = !work.IsDone;
        CountSent(ref _sentComputing);
        _times = _times with { Compute = _times.Compute + Lap() - _sendSeconds, Send = _times.Send + _sendSeconds };
    }

    /// <summary>The micro-batch after the next one, if all goes as planned.</summary>
    private (Round, int)? AfterNext()
    {
        var round = _work!.Round;
        if (_work.AfterNext is { } microBatch) return (round, microBatch);
        if (_protocol.Plan is not { } plan || round.Number + 1 >= plan.EndRound) return null;
        var next = plan.RoundAt(_protocol.Rounds, round.Number + 1);
        var range = plan.RangeOf(_worker, next.MicroBatches);
        return range.Count > 0 ? (next, range.First) : null;
    }

    /// <summary>Sends what an earlier plan had it compute.</summary>
    private void Send(TreeNode node)
    {
        var first = _pool.Layout.FirstSlice(_work!.Round.Kind);
        _exchange!.Contribute(node, first, _pool.Layout.Slices - first, _sums.At(node), isRepeated: true);
    }

    private void ApplyAverage(Round round)
    {
        _times = _times with { Wait = _times.Wait + Lap() };
        CountSent(ref _sentWaiting);
        var average = _exchange!.TakeAverage();
        // What was summed has arrived: its memory serves the update.
        _sums.Clear();
        double[] tallies = [.. average.Tallies];
        var step = round.Kind == RoundKind.Train ? _replica.Apply.Step(round, average) : default;
        average.Release();
        var digest = _replica.Digest();
        SaveIfDue(round, tallies);
        var reducing = _exchange.Reducing;
        _times = _times with { Apply = Lap(), Reduce = (reducing - _reducing).TotalSeconds };
        _reducing = reducing;
        _reports.Add(new(round.Number, digest, tallies, step.LearningRate, step.GradientNorm, MicroBatchesOf(round), _times));
        if (_reports.Count >= MaxReports || round.Number + 1 == _protocol.Plan?.EndRound || Stopwatch.GetElapsedTime(_lastReport) > _reportInterval) Report();
    }

    /// <summary>Copies the state, which is all that training waits for; the copy leaves when nothing else does.</summary>
    private void SaveIfDue(Round round, double[] tallies)
    {
        var (rounds, every) = (_protocol.Rounds, _job.Checkpoint.EverySteps);
        var metric = round.Kind == RoundKind.Evaluate && tallies.Length > Tally.FirstMetric ? _job.Kind.Metric.Of(tallies.AsSpan(Tally.FirstMetric), (long)tallies[Tally.Samples]) : double.NaN;
        var isBest = CheckpointRule.IsBest(rounds, every, round, metric, _best);
        // One of the plan's workers saves for all. Where the one before is still on its way, this one would only queue up behind it.
        if ((!isBest && !CheckpointRule.IsDue(rounds, every, round)) || _protocol.Plan?.Workers[0] != _worker || _exchange!.IsSendingCheckpoint) return;
        if (isBest) _best = metric;
        _exchange.SendCheckpoint(_protocol.Generation, round.Number + 1, _replica.Serialize());
    }

    /// <summary>What has left since the last look.</summary>
    private void CountSent(ref long count) =>
        Volatile.Write(ref count, count + _exchange!.ContributionBytesSent - _sentComputing - _sentWaiting);

    private int MicroBatchesOf(Round round) => _protocol.Plan?.RangeOf(_worker, round.MicroBatches).Count ?? 0;

    private void Report()
    {
        _lastReport = Stopwatch.GetTimestamp();
        if (_reports.Count == 0) return;
        _observer.Applied([.. _reports]);
        _reports.Clear();
    }

    private double Lap()
    {
        var now = Stopwatch.GetTimestamp();
        var seconds = Stopwatch.GetElapsedTime(_lapStart, now).TotalSeconds;
        _lapStart = now;
        return seconds;
    }
}
