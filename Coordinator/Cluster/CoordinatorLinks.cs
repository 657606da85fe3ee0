using System.Net;
using System.Security.Cryptography;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;
using Microsoft.Extensions.Logging;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// The coordinator's end of the links: admits workers, relays states and checkpoints, and in a star reduces every slice and sends the
/// averages back. Knows bytes, not actors.
/// </summary>
internal sealed class CoordinatorLinks : ILinkHandler, IDisposable
{
    private readonly ulong _job;
    private readonly WireFormat _wire;
    private readonly Action<string, string> _linkClosed;
    private readonly LinkMetrics _metrics;
    private readonly TensorLinks _links;
    private readonly LinkListener _listener;
    private readonly Dictionary<string, TensorLink> _workers = new(StringComparer.Ordinal);
    private readonly StateDonations _donations = new();
    private AllReduce? _allReduce;
    private VectorPool? _pool;
    private (VectorLayout Layout, Rounds Rounds, long StateBytes)? _sizes;
    private Saver? _saver;
    private bool _isDisposed;

    private sealed record Saver(string Worker, int Generation, Action<long, byte[]> Received)
    {
        public StateAssembly? Assembly { get; set; }
    }

    /// <summary>Listens at once.</summary>
    /// <param name="bind">Address and port; port 0 for a free one.</param>
    /// <param name="linkClosed">Is told the worker whose link has closed, and why. Called under a lock: must not wait.</param>
    /// <param name="metrics">Counts bytes and refused frames.</param>
    /// <param name="token">What a link has to begin with; null for a new one.</param>
    public CoordinatorLinks(
        IPEndPoint bind, ulong job, WireFormat wire, Action<string, string> linkClosed, LinkMetrics metrics, ILogger log,
        byte[]? token = null, LinkOptions? options = null)
    {
        Token = token ?? RandomNumberGenerator.GetBytes(LinkHello.TokenLength);
        (_job, _wire, _linkClosed, _metrics) = (job, wire, linkClosed, metrics);
        _links = new(this, metrics);
        _listener = new(bind, job, Token, Admits, Establish, metrics, log, options ?? new());
    }

    public int Port => _listener.Port;

    public byte[] Token { get; }

    /// <summary>From now on a link of this worker is let in, once.</summary>
    public void Admit(string worker)
    {
        // What is due to a worker waits until its connection stands, which the worker knows sooner than this end.
        lock (_links.Gate)
        {
            if (!_workers.ContainsKey(worker)) _workers.Add(worker, _links.Add(worker));
        }
    }

    /// <summary>Sends a worker the parameters that it begins with, once its link stands.</summary>
    public void SendInitial(string worker, ReadOnlyMemory<byte> parameters)
    {
        lock (_links.Gate)
        {
            if (_workers.GetValueOrDefault(worker) is not { } link) return;
            StateTransfer.SendInitial(_links, link, _job, parameters);
            _links.Push();
        }
    }

    /// <summary>The worker's link, to send it a data set over; null where it has none. Stands or is about to.</summary>
    public TensorLink? LinkOf(string worker)
    {
        lock (_links.Gate) return _workers.GetValueOrDefault(worker);
    }

    /// <summary>Queues a piece of a data set, behind all that training waits for.</summary>
    /// <param name="link">Of <see cref="LinkOf"/>.</param>
    /// <param name="offset">Bytes before it.</param>
    /// <param name="piece">1 to <see cref="FrameHeader.MaxLength"/> bytes, which must not change before they are sent.</param>
    /// <param name="owner">Is told when they are.</param>
    /// <returns>False where the link is closed.</returns>
    public bool SendData(TensorLink link, long offset, ReadOnlyMemory<byte> piece, IFrameOwner owner)
    {
        lock (_links.Gate)
        {
            if (link.IsClosed || _isDisposed) return false;
            var header = new FrameHeader(FrameKind.Data, _job, FrameHeader.AnyGeneration, offset, 0, default, piece.Length);
            _links.Send(link, header, piece, owner, FramePriority.Background);
            _links.Push();
            return true;
        }
    }

    public void Remove(string worker)
    {
        lock (_links.Gate)
        {
            _donations.Remove(worker);
            if (_workers.Remove(worker, out var link)) _links.Remove(link);
        }
    }

    /// <summary>The sizes of the job are known.</summary>
    public void Open(WorkerFacts facts, Rounds rounds)
    {
        lock (_links.Gate)
        {
            _sizes = (facts.Layout, rounds, facts.StateBytes);
            _pool = new(facts.Layout);
        }
    }

    /// <summary>Puts a plan of a star in force, and refuses everything of older ones from now on.</summary>
    public void Begin(Plan plan)
    {
        lock (_links.Gate)
        {
            _allReduce ??= Allocate();
            // A worker that returns under its name while the plan is in force has no part in it.
            foreach (var (worker, link) in _workers) link.Index = plan.Includes(worker) ? plan.IndexOf(worker) : -1;
            TensorLink?[] links = [.. plan.Workers.Select(worker => _workers.GetValueOrDefault(worker))];
            _allReduce.Begin(plan, Plan.Coordinator, links, coordinator: null);
            _allReduce.Enter(plan.FirstRound);
        }
    }

    /// <summary>All rounds are applied everywhere: gives the memory of the reduction back. States still come and go.</summary>
    public void EndReduction()
    {
        lock (_links.Gate) Free();
    }

    /// <summary>The next state of this worker under this generation goes to <paramref name="received"/>: rounds applied, bytes.</summary>
    public void ExpectState(string donor, int generation, Action<long, byte[]> received)
    {
        lock (_links.Gate) _donations.Expect(donor, generation, StateBytes, received);
    }

    /// <summary>
    /// A state of this worker under this generation goes to another. All receivers get the same copy in memory.
    /// </summary>
    /// <returns>Whether the donor must be asked for it; false where it is on its way to another receiver already.</returns>
    public bool PassOn(string donor, string receiver, int generation)
    {
        lock (_links.Gate)
        {
            return _donations.PassOn(
                donor, receiver, generation, StateBytes, (there, applied, state) => SendState(there, generation, applied, state));
        }
    }

    /// <summary>From now on this worker alone sends checkpoints, under this generation: rounds applied, bytes.</summary>
    public void ExpectCheckpoints(string worker, int generation, Action<long, byte[]> received)
    {
        lock (_links.Gate) _saver = new(worker, generation, received);
    }

    public void SendState(string worker, int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            if (_workers.GetValueOrDefault(worker) is not { } link) return;
            StateTransfer.Send(_links, link, _job, generation, applied, state);
            _links.Push();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        lock (_links.Gate) _isDisposed = true;
        _links.Dispose();
        Free();
    }

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Job != _job) throw new LinkException("a frame of another job was received");
        switch (header.Kind)
        {
            case FrameKind.Contribution or FrameKind.Present:
                Reduce(link, header, payload);
                break;
            case FrameKind.State:
                _donations.Take(link.Peer, header, payload);
                break;
            case FrameKind.Checkpoint:
                ReceiveCheckpoint(link.Peer, header, payload);
                break;
            default:
                throw new LinkException($"{link.Peer} sent a frame of kind {header.Kind}");
        }
        return true;
    }

    void ILinkHandler.Closed(TensorLink link, string reason)
    {
        if (_isDisposed || _workers.GetValueOrDefault(link.Peer) != link) return;
        _workers.Remove(link.Peer);
        _linkClosed(link.Peer, reason);
    }

    private bool Admits(string worker)
    {
        lock (_links.Gate) return _workers.TryGetValue(worker, out var link) && !link.IsOpen;
    }

    private void Establish(string worker, IFramePipe pipe)
    {
        lock (_links.Gate)
        {
            if (!_isDisposed && _workers.TryGetValue(worker, out var link) && !link.IsOpen) _links.Open(link, pipe);
            else pipe.Dispose();
        }
    }

    private void Reduce(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (_sizes is null) throw new LinkException($"{link.Peer} sent a contribution before it was prepared");
        if (_allReduce is null)
        {
            _metrics.Stale();
            return;
        }
        _allReduce.Receive(link, header, payload);
        if (!_allReduce.IsComplete) return;
        _allReduce.TakeAverage().Release();
        _allReduce.Enter(_allReduce.Round + 1);
    }

    private AllReduce Allocate()
    {
        var (layout, rounds, _) = _sizes!.Value;
        return new(_links, _job, rounds, _pool ??= new(layout), _wire, isCoordinator: true, _metrics);
    }

    private void Free()
    {
        _allReduce?.Dispose();
        _pool?.Dispose();
        (_allReduce, _pool) = (null, null);
    }

    private long StateBytes => _sizes?.StateBytes ?? 0;

    private void ReceiveCheckpoint(string worker, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        // One of an older generation was interrupted; the next one begins anew.
        if (_saver is not { } saver || header.Generation < saver.Generation) return;
        if (saver.Worker != worker || saver.Generation != header.Generation)
            throw new LinkException($"{worker} sent a checkpoint that was not requested");
        saver.Assembly ??= new(StateBytes);
        if (saver.Assembly.Add(header, payload) is not { } state) return;
        saver.Assembly = null;
        saver.Received(header.Round, state);
    }
}
