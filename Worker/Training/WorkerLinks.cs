using System.Collections.Immutable;
using System.Diagnostics;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Training;

/// <summary>What comes over a worker's links. Told under their gate: the receiver must not wait.</summary>
internal abstract record LinkNotice
{
    /// <summary><see cref="WorkerLinks.TakeAverage"/> has the average of the round.</summary>
    internal sealed record AverageComplete : LinkNotice
    {
        internal static AverageComplete Instance { get; } = new();
    }

    internal sealed record StateArrived(int Generation, long Applied, byte[] State) : LinkNotice;

    /// <summary>The file with the initial parameters has come.</summary>
    internal sealed record InitialArrived(byte[] File) : LinkNotice;

    internal sealed record CoordinatorLost(string Reason) : LinkNotice;

    /// <summary>The link to another worker of the plan is closed, or could not be made.</summary>
    internal sealed record PeerLost(int Generation, string Peer, string Reason) : LinkNotice;
}

/// <param name="Identity">Job, token and name to greet peers with.</param>
/// <param name="Pool">Memory of averages.</param>
/// <param name="StateBytes">Bytes of a replica's state.</param>
internal sealed record WorkerLinksOptions(
    LinkIdentity Identity, Rounds Rounds, VectorPool Pool, long StateBytes, WireFormat Wire, LinkOptions Links, LinkMetrics? Metrics)
{
    /// <summary>Bytes of the file with the initial parameters; 0 where the job begins with random ones.</summary>
    public long InitialBytes { get; init; }
}

/// <summary>
/// A worker's links: the all-reduce with its peers or with the coordinator of a star, and states and checkpoints on their way. A worker
/// alone in a mesh uses no link for the all-reduce.
/// </summary>
internal sealed class WorkerLinks : ILinkHandler, IDisposable
{
    /// <summary>
    /// How long a waiting thread moves frames itself when none come, before it leaves that to the links' own thread: a few times the cost
    /// of a wake-up, and no longer, since another process may need the processor to send what this one waits for.
    /// </summary>
    private static readonly long _spin = Stopwatch.Frequency / 2000;

    /// <summary>Least number of tries: the time may have passed while another process had the processor.</summary>
    private const int MinTries = 100;

    private readonly WorkerLinksOptions _options;
    private readonly Action<LinkNotice> _tell;
    private readonly TensorLinks _links;
    private readonly AllReduce _allReduce;
    private readonly PeerLinks _peers;
    private TensorLink? _coordinator;
    private StateAssembly? _state;
    private StateAssembly? _initial;
    private bool _isDisposed;

    public WorkerLinks(WorkerLinksOptions options, Action<LinkNotice> tell)
    {
        (_options, _tell) = (options, tell);
        _links = new(this, options.Metrics);
        _peers = new(_links, options.Identity, options.Links);
        _allReduce = new(_links, Job, options.Rounds, options.Pool, options.Wire, isCoordinator: false, options.Metrics);
    }

    /// <summary>Bytes of contributions that have left over links, since the start.</summary>
    public long ContributionBytesSent
    {
        get { lock (_links.Gate) return _links.ContributionBytesSent; }
    }

    /// <summary>Time spent reducing slices, since the start, on all threads.</summary>
    public TimeSpan Reducing
    {
        get { lock (_links.Gate) return _allReduce.Reducing; }
    }

    /// <summary>The link to the coordinator stands, perhaps to another one than before.</summary>
    public void Connect(IFramePipe coordinator)
    {
        lock (_links.Gate)
        {
            // A plan of a star ends with the link that it began with: the next coordinator knows nothing of it.
            if (_coordinator is { } former) _links.Remove(former);
            _links.Open(_coordinator = _links.Add("the coordinator"), coordinator);
        }
    }

    /// <summary>Another worker has connected.</summary>
    public void Accept(string peer, IFramePipe pipe)
    {
        lock (_links.Gate) _peers.Accept(peer, pipe);
    }

    /// <summary>Refuses everything of older generations from now on.</summary>
    public void Fence(int generation)
    {
        lock (_links.Gate)
        {
            _state = null;
            _allReduce.Fence(generation);
        }
    }

    /// <summary>A plan is in force. Links that it needs are made, others closed.</summary>
    /// <param name="plan">Has a part for this worker.</param>
    /// <param name="endpoints">Where the links of its workers are reached, in the plan's order.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints)
    {
        lock (_links.Gate)
        {
            if (plan.Topology == Topology.Mesh) _peers.Begin(plan, endpoints);
            _allReduce.Begin(plan, plan.IndexOf(_options.Identity.Name), _peers.All, _coordinator);
        }
    }

    /// <summary>Takes up a round of the plan: its average is awaited from now on, and no other.</summary>
    public void Enter(long round)
    {
        lock (_links.Gate)
        {
            _allReduce.Enter(round);
            Progress();
        }
    }

    /// <summary>Takes in slices of a node's sum, see <see cref="AllReduce.Contribute"/>.</summary>
    public void Contribute(TreeNode node, int first, int count, VectorBuffer sum, bool isRepeated = false)
    {
        lock (_links.Gate)
        {
            _allReduce.Contribute(node, first, count, sum, isRepeated);
            if (_allReduce.IsComplete) _tell(LinkNotice.AverageComplete.Instance);
            Progress();
        }
    }

    /// <summary>Says that this worker, which has nothing to compute in the round, has reached it.</summary>
    public void SendPresent()
    {
        lock (_links.Gate)
        {
            _allReduce.SendPresent();
            Progress();
        }
    }

    /// <summary>Moves frames on the caller's thread for as long as it seems worth while.</summary>
    /// <param name="isWanted">Whether something else is to be done.</param>
    public bool Await(Func<bool> isWanted)
    {
        if (_allReduce.IsComplete) return true;
        _links.BeginHelp();
        var isComplete = false;
        try
        {
            var idle = 0;
            for (var last = Stopwatch.GetTimestamp(); !isWanted() && (idle < MinTries || Stopwatch.GetTimestamp() - last < _spin);)
            {
                bool hasMoved;
                lock (_links.Gate)
                {
                    hasMoved = _links.Move();
                    if (_allReduce.IsComplete) return isComplete = true;
                }
                if (hasMoved) (idle, last) = (0, Stopwatch.GetTimestamp());
                else if (++idle < 32) Thread.SpinWait(16);
                else Thread.Yield();
            }
            return false;
        }
        finally
        {
            // The next round is computed first.
            _links.EndHelp(isBusy: isComplete);
        }
    }

    /// <summary>The average that has arrived, see <see cref="AllReduce.TakeAverage"/>.</summary>
    public VectorBuffer TakeAverage()
    {
        lock (_links.Gate) return _allReduce.TakeAverage();
    }

    /// <summary>Queues this replica's state for the coordinator.</summary>
    public void SendState(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            if (_coordinator is null) return;
            StateTransfer.Send(_links, _coordinator, Job, generation, applied, state);
            _links.Push();
        }
    }

    /// <summary>Whether a checkpoint is still on its way to the coordinator.</summary>
    public bool IsSendingCheckpoint
    {
        get { lock (_links.Gate) return _coordinator is { HasBackground: true }; }
    }

    /// <summary>Queues a state that the coordinator is to store, behind all that others wait for.</summary>
    public void SendCheckpoint(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            if (_coordinator is null) return;
            StateTransfer.SendCheckpoint(_links, _coordinator, Job, generation, applied, state);
            _links.Push();
        }
    }

    public void Dispose()
    {
        lock (_links.Gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _peers.Dispose();
        }
        _links.Dispose();
        _allReduce.Dispose();
    }

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Job != Job) throw new LinkException($"{link.Peer} sent a frame of another job");
        return header.Kind switch
        {
            FrameKind.Average => Exchanged(link, header, payload),
            FrameKind.Contribution or FrameKind.Present when link != _coordinator => Exchanged(link, header, payload),
            _ when header.Generation < _allReduce.Generation => Stale(),
            FrameKind.State when link == _coordinator => ReceiveState(header, payload),
            FrameKind.Initial when link == _coordinator => ReceiveInitial(header, payload),
            _ => throw new LinkException($"{link.Peer} sent a frame of kind {header.Kind}"),
        };
    }

    void ILinkHandler.Closed(TensorLink link, string reason)
    {
        if (_isDisposed) return;
        if (link == _coordinator) _tell(new LinkNotice.CoordinatorLost(reason));
        else if (_peers.Includes(link)) _tell(new LinkNotice.PeerLost(_peers.Generation, link.Peer, reason));
    }

    private ulong Job => _options.Identity.Job;

    private bool Stale()
    {
        _options.Metrics?.Stale();
        return true;
    }

    private bool Exchanged(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var wasComplete = _allReduce.IsComplete;
        if (!_allReduce.Receive(link, header, payload)) return false;
        if (!wasComplete && _allReduce.IsComplete) _tell(LinkNotice.AverageComplete.Instance);
        return true;
    }

    private bool ReceiveState(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if ((_state ??= new(_options.StateBytes)).Add(header, payload) is not { } state) return true;
        _state = null;
        _tell(new LinkNotice.StateArrived(header.Generation, header.Round, state));
        return true;
    }

    private bool ReceiveInitial(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (_options.InitialBytes == 0) throw new LinkException("initial parameters were received that the coordinator had not announced");
        if ((_initial ??= new(_options.InitialBytes)).Add(header, payload) is { } file) _tell(new LinkNotice.InitialArrived(file));
        return true;
    }

    /// <summary>What was queued leaves as far as there is room now.</summary>
    private void Progress()
    {
        if (_allReduce.Plan is not { Topology: Topology.Star } && _peers.All.Length < 2) return;
        _links.Push();
    }
}
