using System.Collections.Concurrent;
using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Links;

/// <summary>
/// A replica whose contributions the test determines: its own thread drives a worker's links as <see cref="ReplicaThread"/> does.
/// </summary>
internal sealed class MeshReplica : IDisposable
{
    /// <summary>The replica has computed as many micro-batches as its limit allows, in the middle of a round.</summary>
    public sealed record Stopped;

    private readonly LinkedWorker _linked;
    private readonly VectorLayout _layout;
    private readonly IMapping _mapping;
    private readonly Action<Exception> _failed;
    private readonly ConcurrentQueue<Action> _mail = new();
    private readonly ManualResetEventSlim _signal = new();
    private readonly BlockingCollection<object> _said = [];
    private readonly Func<bool> _hasMail;
    private readonly Thread _thread;

    // Owned by the thread.
    private readonly MapSums _sums;
    private readonly List<(Round Round, Numbers Average)> _taken = [];
    private ReplicaProtocol _protocol;
    private RoundWork? _work;
    private ReplicaEffect.Step? _step;
    private bool _isEnding;
    private int _left;

    /// <summary>A replica that has applied nothing and waits for a plan.</summary>
    /// <param name="name">Its name in plans.</param>
    /// <param name="setup">How it is set up.</param>
    /// <param name="mapping">What it contributes.</param>
    /// <param name="failed">Receives the error for which it cannot continue.</param>
    public MeshReplica(string name, LinksSetup setup, IMapping mapping, Action<Exception> failed)
    {
        (_linked, _layout, _mapping, _failed) = (new(name, setup), setup.Layout, mapping, failed);
        _protocol = new(name, setup.Rounds);
        _sums = new(_linked.Buffers.Pool);
        _hasMail = () => !_mail.IsEmpty;
        _linked.OnComplete = _signal.Set;
        _thread = new(Run) { Name = name, IsBackground = true };
        _thread.Start();
    }

    public string Name => _linked.Name;

    public LinkedWorker Linked => _linked;

    /// <summary>Rounds applied, according to the messages read so far.</summary>
    public long Applied { get; private set; }

    /// <summary>Every average that it took, in order. Read it only when the replica has ended or is idle.</summary>
    public IReadOnlyList<(Round Round, Numbers Average)> Taken => _taken;

    public void Halt(int generation) => Post(() => Handle(new ReplicaEvent.HaltAsked(generation)));

    public void Restore(int generation, long applied) => Post(() => Handle(new ReplicaEvent.StateArrived(generation, applied)));

    /// <summary>Gives the replica a plan.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="endpoints">Where its workers listen.</param>
    /// <param name="limit">How many micro-batches it may compute before it stops.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints, int limit) => Post(() =>
    {
        _left = limit;
        Handle(new ReplicaEvent.PlanBegan(plan, endpoints));
    });

    /// <summary>Waits for its next message of a type.</summary>
    public T Next<T>()
    {
        while (true)
        {
            var said = _said.TakeSoon();
            Applied = said switch
            {
                Round round => round.Number + 1,
                Halted halted => halted.Applied,
                Synced synced => synced.Applied,
                Exception error => throw new InvalidOperationException($"a replica has failed: {error}", error),
                _ => Applied,
            };
            if (said is T wanted) return wanted;
        }
    }

    /// <summary>Reports a replica's failure to the caller that waits for the next message.</summary>
    public void Fail(Exception error) => _said.Add(error);

    /// <summary>Ends at once, even in the middle of a round.</summary>
    public void Dispose()
    {
        Post(() => _isEnding = true);
        _thread.Join();
    }

    /// <summary>Sends a slice of the current micro-batch, which is final.</summary>
    private void Send(int slice)
    {
        foreach (ref readonly var merge in _work!.Merges) _sums.AddSlice(merge, slice);
        if (_work.Completes is { } node) Links.Contribute(node, slice, 1, _sums.At(node));
    }

    private WorkerLinks Links => _linked.Links;

    private void Post(Action action)
    {
        _mail.Enqueue(action);
        _signal.Set();
    }

    private void Run()
    {
        try
        {
            while (!_isEnding) Turn();
        }
        catch (Exception error)
        {
            _failed(error);
        }
        finally
        {
            _sums.Dispose();
            _linked.Dispose();
        }
    }

    private void Turn()
    {
        if (_mail.TryDequeue(out var happened)) happened();
        else if (IsMapping && _left > 0) MapNext();
        else if (_step is not null && !IsMapping && Links.Await(_hasMail)) Apply();
        else
        {
            _signal.Wait();
            _signal.Reset();
        }
    }

    private void Handle(ReplicaEvent happened)
    {
        (_protocol, var effects) = _protocol.Handle(happened);
        foreach (var effect in effects) Execute(effect);
    }

    private void Execute(ReplicaEffect effect)
    {
        switch (effect)
        {
            case ReplicaEffect.Fence fence:
                _step = null;
                Links.Fence(fence.Generation);
                break;
            case ReplicaEffect.Begin begin:
                Links.Begin(begin.Plan, begin.Endpoints);
                break;
            case ReplicaEffect.Step step:
                Begin(step);
                break;
            case ReplicaEffect.ReportHalted halted:
                _said.Add(new Halted(halted.Generation, halted.Applied));
                break;
            case ReplicaEffect.ReportSynced synced:
                _said.Add(new Synced(synced.Generation, synced.Applied));
                break;
        }
    }

    private bool IsMapping => _step is not null && !_work!.IsDone;

    private void Begin(ReplicaEffect.Step step)
    {
        _step = step;
        Links.Enter(step.Round.Number);
        if (_work?.Round != step.Round)
        {
            _sums.Restart(step.Round.MicroBatches);
            _work = new(step.Round);
        }
        var dropped = new List<TreeNode>();
        var first = _layout.FirstSlice(step.Round.Kind);
        foreach (var node in _work.Assign(step.Range, dropped)) Links.Contribute(node, first, _layout.Slices - first, _sums.At(node));
        foreach (var node in dropped) _sums.Drop(node);
        if (step.Range.Count == 0) Links.SendPresent();
        SayIfStopped();
    }

    private void MapNext()
    {
        var work = _work!;
        _mapping.Compute(work.Round, work.Next, _sums.Place(work.Next, work.Merges), Send);
        _sums.Complete(work.Merges);
        work.Advance();
        _left--;
        SayIfStopped();
    }

    private void SayIfStopped()
    {
        if (IsMapping && _left == 0) _said.Add(new Stopped());
    }

    private void Apply()
    {
        var round = _step!.Round;
        var average = Links.TakeAverage();
        _taken.Add((round, Numbers.Of(average, round.Kind)));
        _mapping.Apply(round, average);
        average.Release();
        _step = null;
        Handle(new ReplicaEvent.RoundApplied());
        _said.Add(round);
    }
}
