using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

/// <summary>The links of a process and the frames received over them.</summary>
internal sealed class LinksEnd : ILinkHandler, IDisposable
{
    private readonly object _news = new();
    private readonly Dictionary<TensorLink, List<(FrameHeader Header, byte[] Payload)>> _received = [];
    private readonly Dictionary<TensorLink, string> _closed = [];

    public LinksEnd(LinkMetrics? metrics = null) => Links = new(this, metrics);

    public TensorLinks Links { get; }

    /// <summary>Called under the gate for each frame before it is recorded.</summary>
    public Func<TensorLink, FrameHeader, bool> Judge { get; set; } = (_, _) => true;

    public TensorLink Connect(string peer, IFramePipe pipe)
    {
        lock (Links.Gate)
        {
            var link = Links.Add(peer);
            Links.Open(link, pipe);
            return link;
        }
    }

    /// <summary>Queues frames without payload, with these numbers.</summary>
    public void Queue(TensorLink link, params IEnumerable<int> numbers)
    {
        lock (Links.Gate)
            foreach (var number in numbers) Links.Send(link, FrameGen.Numbered(number, 0), default);
    }

    public bool Move()
    {
        lock (Links.Gate) return Links.Move();
    }

    public void Push()
    {
        lock (Links.Gate) Links.Push();
    }

    /// <summary>The frames received over a link so far.</summary>
    public IReadOnlyList<(FrameHeader Header, byte[] Payload)> Received(TensorLink link)
    {
        lock (_news) return [.. _received.GetValueOrDefault(link, [])];
    }

    /// <summary>The numbers of the frames received over a link so far.</summary>
    public IEnumerable<int> Numbers(TensorLink link) => Received(link).Select(frame => frame.Header.Slice);

    public int Count(TensorLink link)
    {
        lock (_news) return _received.TryGetValue(link, out var frames) ? frames.Count : 0;
    }

    /// <summary>Why a link was closed; null if it is open.</summary>
    public string? Reason(TensorLink link)
    {
        lock (_news) return _closed.GetValueOrDefault(link);
    }

    /// <summary>Waits until received frames make this true.</summary>
    public void Until(Func<bool> condition)
    {
        lock (_news)
        {
            while (!condition())
                if (!Monitor.Wait(_news, Loopback.Timeout)) Assert.Fail("the awaited frames did not arrive");
        }
    }

    public void Dispose() => Links.Dispose();

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        try
        {
            if (!Judge(link, header)) return false;
            lock (_news)
            {
                if (!_received.TryGetValue(link, out var frames)) _received[link] = frames = [];
                frames.Add((header, payload.ToArray()));
            }
            return true;
        }
        finally
        {
            lock (_news) Monitor.PulseAll(_news);
        }
    }

    void ILinkHandler.Closed(TensorLink link, string reason)
    {
        lock (_news)
        {
            _closed.Add(link, reason);
            Monitor.PulseAll(_news);
        }
    }
}
