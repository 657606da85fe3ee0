using System.Collections.Concurrent;
using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Links;

/// <summary>
/// A replica whose contributions the test decides: a thread of its own drives an exchange as <see cref="ReplicaThread"/> does.
/// </summary>
internal sealed class MeshReplica : ISliceSink, IDisposable
{
    /// <summary>It has computed as many micro-batches as it may, in the middle of a round.</summary>
    public sealed record Stopped;

    private readonly LinkedExchange _linked;
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
    private bool _isMapping;
    private ImmutableArray<LinkEndpoint> _endpoints;
    private bool _isEnding;
    private int _left;

    /// <summary>A replica that has applied nothing and waits for a plan.</summary>
    /// <param name="name">Its name in plans.</param>
    /// <param name="setup">How it exchanges.</param>
    /// <param name="mapping">What it contributes.</param>
    /// <param name="failed">Is told why it cannot go on.</param>
    public MeshReplica(string name, ExchangeSetup setup, IMapping mapping, Action<Exception> failed)
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

    public LinkedExchange Linked => _linked;

    /// <summary>Rounds applied, as far as it was heard.</summary>
    public long Applied { get; private set; }

    /// <summary>Every average that it took, in order. To be read when it has ended, or says nothing more.</summary>
    public IReadOnlyList<(Round Round, Numbers Average)> Taken => _taken;

    public void Halt(int generation) => Post(() => Handle(new ReplicaEvent.HaltAsked(generation)));

    public void Restore(int generation, long applied) => Post(() => Handle(new ReplicaEvent.StateArrived(generation, applied)));

    /// <summary>A plan has come.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="endpoints">Where its workers listen.</param>
    /// <param name="limit">Micro-batches that it may compute before it stops.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints, int limit) => Post(() =>
    {
        (_left, _endpoints) = (limit, endpoints);
        Handle(new ReplicaEvent.PlanBegan(plan));
    });

    /// <summary>Waits until it has said something of a type.</summary>
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

    /// <summary>Whoever waits for what it says next learns that a replica has failed.</summary>
    public void Fail(Exception error) => _said.Add(error);

    /// <summary>Ends at once, wherever it is.</summary>
    public void Dispose()
    {
        Post(() => _isEnding = true);
        _thread.Join();
    }

    /// <summary>A slice of the micro-batch that is computed is final.</summary>
    void ISliceSink.Ready(int slice)
    {
        foreach (ref readonly var merge in _work!.Merges) _sums.AddSlice(merge, slice);
        if (_work.Completes is { } node) Exchange.Contribute(node, slice, 1, _sums.At(node));
    }

    private Exchange Exchange => _linked.Exchange;

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
        else if (_isMapping && _left > 0) MapNext();
        else if (!_isMapping && Exchange.Await(_hasMail)) Handle(new ReplicaEvent.AverageArrived(_protocol.Generation, _protocol.Applied));
        else
        {
            _signal.Wait();
            _signal.Reset();
        }
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
            case ReplicaEffect.Fence fence:
                _isMapping = false;
                Exchange.Fence(fence.Generation);
                break;
            case ReplicaEffect.Begin begin:
                Exchange.Begin(begin.Plan, _endpoints);
                break;
            case ReplicaEffect.Enter enter:
                Exchange.Enter(enter.Round.Number);
                break;
            case ReplicaEffect.Map map:
                BeginMap(map);
                break;
            case ReplicaEffect.Apply apply:
                Take(apply.Round);
                break;
            case ReplicaEffect.ReportHalted halted:
                _said.Add(new Halted(halted.Generation, halted.Applied));
                break;
            case ReplicaEffect.ReportSynced synced:
                _said.Add(new Synced(synced.Generation, synced.Applied));
                break;
        }
    }

    private void BeginMap(ReplicaEffect.Map map)
    {
        if (_work?.Round != map.Round)
        {
            _sums.Restart(map.Round.MicroBatches);
            _work = new(map.Round);
        }
        var dropped = new List<TreeNode>();
        var first = _layout.FirstSlice(map.Round.Kind);
        foreach (var node in _work.Assign(map.Range, dropped)) Exchange.Contribute(node, first, _layout.Slices - first, _sums.At(node));
        foreach (var node in dropped) _sums.Drop(node);
        if (map.Range.Count == 0) Exchange.SendPresent();
        _isMapping = !_work.IsDone;
        SayIfStopped();
    }

    private void MapNext()
    {
        var work = _work!;
        _mapping.Compute(work.Round, work.Next, _sums.Place(work.Next, work.Merges), this);
        _sums.Complete(work.Merges);
        work.Advance();
        _isMapping = !work.IsDone;
        _left--;
        SayIfStopped();
    }

    private void SayIfStopped()
    {
        if (_isMapping && _left == 0) _said.Add(new Stopped());
    }

    private void Take(Round round)
    {
        var average = Exchange.TakeAverage();
        _taken.Add((round, Numbers.Of(average, round.Kind)));
        _mapping.Apply(round, average);
        average.Release();
        _said.Add(round);
    }
}
