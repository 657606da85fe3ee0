using Distributed.Core.Reduction;
using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;

namespace Distributed.Shared.Tests.Links;

/// <summary>
/// The frames to send over one link, their order, and the buffers that they hold, as plain lists. The links' own thread must not move
/// frames meanwhile.
/// </summary>
internal sealed class OutgoingModel(LinksEnd end, TensorLink link, PipePair pair)
{
    public const int MaxLength = VectorLayout.SliceFloats * sizeof(float);

    private readonly PooledBuffers _buffers = new(new(VectorLayout.SliceFloats, 1));
    private readonly Dictionary<FramePriority, List<Frame>> _waiting = Enum.GetValues<FramePriority>().OrderDescending()
        .ToDictionary(p => p, _ => new List<Frame>());
    private readonly Queue<Frame> _left = [];
    private Frame? _started;
    private long _bytes = end.Links.ContributionBytesSent;
    private int _number;

    private sealed record Frame(FrameHeader Header, VectorBuffer Buffer)
    {
        public ReadOnlyMemory<byte> Payload => Buffer.Memory[..Header.Length];
    }

    /// <summary>Queues a frame of at least one byte.</summary>
    public void Send(int length, int generation, FramePriority priority)
    {
        var frame = new Frame(FrameGen.Numbered(_number++, length) with { Generation = generation }, _buffers.Rent());
        FrameGen.Fill(frame.Buffer.GetSpan()[..length], _number);
        lock (end.Links.Gate) end.Links.Send(link, frame.Header, frame.Payload, frame.Buffer, priority);
        _waiting[priority].Add(frame);
        AssertHolds();
    }

    public void Drop(int generation)
    {
        lock (end.Links.Gate) end.Links.DropOlderThan(generation);
        foreach (var queue in _waiting.Values)
        {
            foreach (var frame in queue.Where(f => f.Header.Generation < generation)) LetGo(frame);
            queue.RemoveAll(f => f.Header.Generation < generation);
        }
        AssertHolds();
    }

    public void Move()
    {
        end.Move();
        while (_bytes < end.Links.ContributionBytesSent)
        {
            var next = _started ?? TakeNext();
            _started = null;
            _bytes += next.Header.Length;
            _left.Enqueue(next);
        }
        Assert.Equal(_bytes, end.Links.ContributionBytesSent);
        if (pair.Here.IsMidFrame) _started ??= TakeNext();
        AssertHolds();
    }

    /// <summary>Receives up to this many frames at the other end.</summary>
    public void Read(int frames)
    {
        for (; frames > 0 && pair.There.TryReceive(out var header, out var payload); frames--)
        {
            var frame = _left.Dequeue();
            Assert.Equal(frame.Header, header);
            Assert.True(payload.SequenceEqual(frame.Payload.Span), $"the payload of {header} differs");
            LetGo(frame);
            pair.There.Release();
        }
    }

    /// <summary>Sends all remaining frames.</summary>
    public void Finish()
    {
        while (_waiting.Values.Any(queue => queue.Count > 0) || _left.Count > 0 || _started is not null)
        {
            Move();
            Read(int.MaxValue);
        }
        Assert.False(pair.There.TryReceive(out _, out _));
        _buffers.AssertAllReturned();
        _buffers.Pool.Dispose();
    }

    private Frame TakeNext()
    {
        var queue = _waiting[_waiting.Keys.Where(priority => _waiting[priority].Count > 0).Max()];
        var next = queue[0];
        queue.RemoveAt(0);
        return next;
    }

    /// <summary>The links hold the buffers of queued frames only.</summary>
    private void AssertHolds()
    {
        Assert.All(_waiting.Values.SelectMany(queue => queue), frame => Assert.True(frame.Buffer.IsShared));
        Assert.True(_started?.Buffer.IsShared ?? true);
        Assert.All(_left, frame => Assert.False(frame.Buffer.IsShared));
    }

    private static void LetGo(Frame frame)
    {
        Assert.False(frame.Buffer.IsShared);
        frame.Buffer.Release();
    }
}
