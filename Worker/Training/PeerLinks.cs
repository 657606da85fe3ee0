using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Training;

/// <summary>A worker's links to the other workers of a mesh. Used under the gate of its <see cref="TensorLinks"/>.</summary>
internal sealed class PeerLinks(TensorLinks links, LinkIdentity identity, LinkOptions options) : IDisposable
{
    private readonly Dictionary<string, IFramePipe> _early = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _closing = new();
    private bool _isDisposed;

    /// <summary>The links to the plan's workers, in its order; null at this worker's own place.</summary>
    public TensorLink?[] All { get; private set; } = [];

    /// <summary>Generation of the plan whose workers are linked.</summary>
    public int Generation { get; private set; }

    /// <summary>Whether this is the link to a worker of the plan.</summary>
    public bool Includes(TensorLink link) => LinkOf(link.Peer) == link;

    /// <summary>Another worker has connected. It may know of the plan sooner than this one.</summary>
    public void Accept(string peer, IFramePipe pipe)
    {
        if (_isDisposed)
        {
            pipe.Dispose();
            return;
        }
        if (LinkOf(peer) is { IsOpen: false, IsClosed: false } awaited)
        {
            links.Open(awaited, pipe);
            return;
        }
        // The peer connects anew where this end has not noticed yet that the old connection is broken.
        if (_early.Remove(peer, out var former)) former.Dispose();
        _early[peer] = pipe;
        if (LinkOf(peer) is { } broken) links.Close(broken, $"{peer} has connected anew");
    }

    /// <summary>Connects to the workers of a plan, and closes the links to others.</summary>
    /// <param name="endpoints">Where the links of its workers are reached, in the plan's order.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints)
    {
        Generation = plan.Generation;
        var (former, self) = (All, plan.IndexOf(identity.Name));
        All = new TensorLink?[plan.Workers.Length];
        for (var i = 0; i < All.Length; i++)
        {
            if (i == self) continue;
            var peer = plan.Workers[i];
            All[i] = Array.Find(former, link => link is { IsClosed: false } && link.Peer == peer) ?? Create(peer, endpoints[i]);
            All[i]!.Index = i;
        }
        foreach (var link in former)
            if (link is not null && Array.IndexOf(All, link) < 0) links.Remove(link);
        foreach (var (peer, pipe) in _early)
        {
            if (plan.Includes(peer)) continue;
            pipe.Dispose();
            _early.Remove(peer);
        }
    }

    public void Dispose()
    {
        _closing.Cancel();
        _isDisposed = true;
        foreach (var pipe in _early.Values) pipe.Dispose();
        _early.Clear();
    }

    private TensorLink Create(string peer, LinkEndpoint endpoint)
    {
        var link = links.Add(peer);
        if (_early.Remove(peer, out var pipe)) links.Open(link, pipe);
        // One of the two connects; on another thread, since an immediate refusal would find the link without its place among the peers.
        else if (string.CompareOrdinal(identity.Name, peer) < 0) _ = Task.Run(() => ConnectAsync(link, endpoint));
        return link;
    }

    private async Task ConnectAsync(TensorLink link, LinkEndpoint endpoint)
    {
        try
        {
            var connecting = LinkHandshake.ConnectAsync(endpoint.Host, endpoint.Port, identity, options, _closing.Token);
            var pipe = await connecting.ConfigureAwait(false);
            lock (links.Gate)
            {
                if (link.IsClosed || _isDisposed) pipe.Dispose();
                else links.Open(link, pipe);
            }
        }
        catch (LinkException error)
        {
            lock (links.Gate)
            {
                if (!link.IsClosed && !_isDisposed) links.Close(link, error.Message);
            }
        }
        catch (OperationCanceledException)
        {
            // The worker ends.
        }
    }

    private TensorLink? LinkOf(string peer) => Array.Find(All, link => link?.Peer == peer);
}
