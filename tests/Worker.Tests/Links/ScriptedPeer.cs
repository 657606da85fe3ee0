using System.Collections.Concurrent;
using Distributed.Core.Reduction;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Tests.Links;

/// <summary>
/// Another worker's end of a link to the tested worker: it sends the frames that a test specifies, and keeps those that arrive.
/// </summary>
internal sealed class ScriptedPeer : ILinkHandler, IDisposable
{
    private readonly BlockingCollection<(FrameHeader Header, byte[] Payload)> _frames = [];
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TensorLinks _links;
    private readonly TensorLink _link;

    private ScriptedPeer(string name, string other, IFramePipe pipe)
    {
        Name = name;
        _links = new(this, null);
        lock (_links.Gate) _links.Open(_link = _links.Add(other), pipe);
    }

    public string Name { get; }

    /// <summary>Completes when the link is closed.</summary>
    public Task<string> Closed => _closed.Task;

    /// <summary>How many frames have arrived and were not taken.</summary>
    public int WaitingFrames => _frames.Count;

    /// <summary>Connects as a worker that the tested worker expects, or does not know yet.</summary>
    public static async Task<ScriptedPeer> ConnectAsync(string name, LinkedWorker to, bool isShared = true)
    {
        var identity = new LinkIdentity(LinkedWorker.Job, LinkedWorker.Token, name);
        var (host, port) = (to.Endpoint.Host, to.Endpoint.Port);
        var pipe = await LinkHandshake.ConnectAsync(host, port, identity, LinkedWorker.LinksOf(isShared), default).Soon();
        return new(name, to.Name, pipe);
    }

    /// <summary>The next frame; waits for it.</summary>
    public (FrameHeader Header, byte[] Payload) NextFrame() => _frames.TakeSoon();

    public void Send(in FrameHeader header, ReadOnlyMemory<byte> payload)
    {
        lock (_links.Gate)
        {
            _links.Send(_link, header, payload);
            _links.Push();
        }
    }

    /// <summary>Ends like a process that dies: only the closed connection shows it.</summary>
    public void Dispose() => _links.Dispose();

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        _frames.Add((header, payload.ToArray()));
        return true;
    }

    void ILinkHandler.Closed(TensorLink link, string reason) => _closed.TrySetResult(reason);
}
