using Distributed.Shared.Links;

namespace Distributed.Shared.Tests.Links;

/// <summary>Does with frames what a test says, and remembers what came.</summary>
internal sealed class ScriptedReceiver : IFrameReceiver
{
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _expected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(FrameHeader Header, byte[] Payload)> _received = [];
    private int _timesClosed;

    /// <summary>Where a payload goes.</summary>
    public Func<FrameHeader, FrameTarget> OnBegin { get; init; } = header => FrameTarget.Into(new byte[header.Length]);

    /// <summary>Runs when a frame is complete.</summary>
    public Action<FrameHeader> OnComplete { get; init; } = _ => { };

    /// <summary>Frames that <see cref="Arrived"/> waits for.</summary>
    public int Expected { get; init; } = int.MaxValue;

    /// <summary>Done when so many frames are here; fails if the link closes before.</summary>
    public Task Arrived => _expected.Task;

    /// <summary>The reason, once the link is closed.</summary>
    public Task<string> WhenClosed => _closed.Task;

    public int TimesClosed => Volatile.Read(ref _timesClosed);

    /// <summary>The frames in the order they came; to be read when none comes any more.</summary>
    public IReadOnlyList<(FrameHeader Header, byte[] Payload)> Received => _received;

    /// <summary>Receives into buffers of a pool.</summary>
    public static Func<FrameHeader, FrameTarget> Into(PooledBuffers buffers) => header =>
    {
        var buffer = buffers.Rent();
        return FrameTarget.Into(buffer.Memory[..header.Length], buffer);
    };

    public FrameTarget Begin(TensorLink link, in FrameHeader header) => OnBegin(header);

    public void Complete(TensorLink link, in FrameHeader header, in FrameTarget target)
    {
        _received.Add((header, target.Destination.ToArray()));
        target.Owner?.Release();
        OnComplete(header);
        if (_received.Count == Expected) _expected.TrySetResult();
    }

    public void Closed(TensorLink link, string reason)
    {
        Interlocked.Increment(ref _timesClosed);
        _closed.TrySetResult(reason);
        _expected.TrySetException(new LinkException(reason));
    }
}
