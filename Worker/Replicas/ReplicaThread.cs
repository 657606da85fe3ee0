using System.Collections.Concurrent;
using System.Diagnostics;
using Distributed.Shared.Jobs;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;
using Distributed.Worker.Data;
using Distributed.Worker.Links;
using static TorchSharp.torch;

namespace Distributed.Worker.Replicas;

/// <summary>Who wants to know what a replica does; called on the replica's thread.</summary>
public interface IReplicaObserver
{
    /// <summary>Data and model are there; the pool is for the link's averages.</summary>
    void Prepared(WorkerFacts facts, VectorPool pool);

    /// <summary>Stopped for a new generation.</summary>
    void Halted(int generation, long applied);

    /// <summary>Caught up.</summary>
    void Synced(int generation, long applied);

    /// <summary>Rounds applied since the last call.</summary>
    void Applied(IReadOnlyList<RoundReport> rounds);

    /// <summary>Cannot go on; the thread has ended.</summary>
    void Failed(string reason);
}

/// <summary>
/// Runs a replica on a thread of its own, never on an actor's: carries out what <see cref="ReplicaProtocol"/> decides.
/// Between two micro-batches it looks for events, so that a halt is answered within one.
/// </summary>
public sealed class ReplicaThread : IWorkerLinkObserver, IDisposable
{
    private const int MaxReports = 256;
    private static readonly TimeSpan _reportInterval = TimeSpan.FromMilliseconds(200);

    private readonly string _worker;
    private readonly Job _job;
    private readonly DataOptions _data;
    private readonly Device _device;
    private readonly IReplicaObserver _observer;
    private readonly Action<string> _linkClosed;
    private readonly BlockingCollection<Action> _inbox = [];
    private readonly List<RoundReport> _reports = [];
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;

    // Owned by the thread.
    private ReplicaProtocol _protocol = null!;
    private Replica _replica = null!;
    private VectorPool _pool = null!;
    private WorkerLink _link = null!;
    private RoundWork? _work;
    private MapSums? _sums;
    private int _generation;
    private bool _isMapping;
    private bool _isEnding;
    private RoundTimes _times;
    private long _lapStart;
    private long _lastReport;

    /// <summary>Starts the thread, which prepares itself at once.</summary>
    /// <param name="worker">Id of this worker.</param>
    /// <param name="job">The job.</param>
    /// <param name="data">Where the data is looked for.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="observer">Is told what happens.</param>
    /// <param name="linkClosed">Is told when the link closes.</param>
    public ReplicaThread(string worker, Job job, DataOptions data, Device device, IReplicaObserver observer, Action<string> linkClosed)
    {
        (_worker, _job, _data, _device, _observer, _linkClosed) = (worker, job, data, device, observer, linkClosed);
        _thread = new(Run) { Name = "replica", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Uses this link from now on; before any plan.</summary>
    public void Attach(WorkerLink link) => _inbox.Add(() => _link = link);

    /// <summary>Something happened that the protocol decides on.</summary>
    public void Post(ReplicaEvent happened) => _inbox.Add(() => Handle(happened));

    /// <summary>Sends this replica's state over the link.</summary>
    public void SendState(int generation) => _inbox.Add(() => _link.SendState(generation, _protocol.Applied, _replica.Serialize()));

    /// <inheritdoc/>
    public void AverageArrived(int generation, long round) => Post(new ReplicaEvent.AverageArrived(generation, round));

    /// <inheritdoc/>
    public void StateArrived(int generation, long applied, byte[] state) => _inbox.Add(() =>
    {
        if (generation != _protocol.Generation || _protocol.Plan is not null) return;
        _replica.Restore(state);
        Handle(new ReplicaEvent.StateArrived(generation, applied));
    });

    /// <inheritdoc/>
    public void LinkClosed(string reason) => _linkClosed(reason);

    /// <summary>Complete when the thread has ended and everything is freed.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Ends the thread after the micro-batch in progress; does not wait for it.</summary>
    public void Stop() => _inbox.Add(() => _isEnding = true);

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
            while (!_isEnding) Turn();
        }
        // The thread is where the user's model, data and device meet: whatever they throw is told, not lost.
        catch (Exception error)
        {
            _observer.Failed(error.Message);
        }
        finally
        {
            _sums?.Dispose();
            _link?.Dispose();
            _replica?.Dispose();
            _pool?.Dispose();
            _completion.TrySetResult();
        }
    }

    private void Prepare()
    {
        set_num_threads(_job.Threads);
        _replica = new(_job, DataSets.Load(_job.Data, _data), _device);
        _protocol = new(_worker, _replica.Rounds);
        _pool = new(_replica.Map.Layout);
        var task = _replica.Task;
        _observer.Prepared(
            new(task.DataFingerprint, task.TrainSamples, task.TestSamples, _pool.Layout, _replica.Serialize().Length, _replica.Digest().ToString(), "", 0), _pool);
    }

    private void Turn()
    {
        var patience = _isMapping ? TimeSpan.Zero : _reports.Count > 0 ? _reportInterval : Timeout.InfiniteTimeSpan;
        if (_inbox.TryTake(out var happened, patience)) happened();
        else if (_isMapping) MapNext();
        else Report();
    }

    private void Handle(ReplicaEvent happened)
    {
        (_protocol, var effects) = _protocol.Handle(happened);
        foreach (var effect in effects) Carry(effect);
    }

    private void Carry(ReplicaEffect effect)
    {
        switch (effect)
        {
            case ReplicaEffect.Expect expect:
                _link.Expect(expect.Generation, expect.Round, FirstSliceOf(expect.Round));
                break;
            case ReplicaEffect.Map map:
                BeginMap(map);
                break;
            case ReplicaEffect.Abandon:
                _isMapping = false;
                break;
            case ReplicaEffect.Apply apply:
                ApplyAverage(apply.Round);
                break;
            case ReplicaEffect.ReportHalted halted:
                Report();
                _observer.Halted(halted.Generation, halted.Applied);
                break;
            case ReplicaEffect.ReportSynced synced:
                Report();
                _observer.Synced(synced.Generation, synced.Applied);
                break;
        }
    }

    private int FirstSliceOf(long round) => round < _replica.Rounds.Count ? _pool.Layout.FirstSlice(_replica.Rounds.At(round).Kind) : 0;

    private void BeginMap(ReplicaEffect.Map map)
    {
        // In a relaxed job the plan has a say in how a round is cut.
        if (_work?.Round != map.Round)
        {
            _sums?.Dispose();
            _sums = new(map.Round, _pool);
            _work = new(map.Round);
            _times = default;
        }
        _generation = map.Generation;
        _lapStart = Stopwatch.GetTimestamp();
        var dropped = new List<TreeNode>();
        foreach (var node in _work.Assign(map.Range, dropped)) Send(node);
        foreach (var node in dropped) _sums!.Drop(node);
        if (map.Range.Count == 0) _link.SendPresent(_generation, map.Round.Number);
        _isMapping = !_work.IsDone;
        _times = _times with { Send = _times.Send + Lap() };
    }

    private void MapNext()
    {
        var (work, sums) = (_work!, _sums!);
        _replica.Map.Compute(work.Round, work.Next, sums.Place(work.Next));
        var complete = work.Computed(sums);
        _isMapping = !work.IsDone;
        _times = _times with { Compute = _times.Compute + Lap() };
        if (complete is not { } node) return;
        Send(node);
        _times = _times with { Send = _times.Send + Lap() };
    }

    private void Send(TreeNode node) => _link.SendSum(_generation, _work!.Round.Number, node, _sums!.At(node), _sums.FirstSlice);

    private void ApplyAverage(Round round)
    {
        _times = _times with { Wait = _times.Wait + Lap() };
        var average = _link.TakeAverage();
        double[] tallies = [.. average.Tallies];
        var step = round.Kind == RoundKind.Train ? _replica.Apply.Step(round, average) : default;
        average.Release();
        var digest = _replica.Digest();
        _times = _times with { Apply = Lap() };
        _reports.Add(new(round.Number, digest, tallies, step.LearningRate, step.GradientNorm, MicroBatchesOf(round), _times));
        if (_reports.Count >= MaxReports || round.Number + 1 == _protocol.Plan?.EndRound || Stopwatch.GetElapsedTime(_lastReport) > _reportInterval) Report();
    }

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
