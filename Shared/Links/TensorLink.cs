using System.Net.Sockets;
using System.Threading.Channels;
using Distributed.Shared.Metrics;

namespace Distributed.Shared.Links;

/// <summary>What becomes of a frame whose header has arrived.</summary>
/// <param name="Wanted">False: the payload is read and thrown away.</param>
/// <param name="Destination">Where the payload goes.</param>
/// <param name="Owner">The buffer behind the destination, held until the frame is complete.</param>
public readonly record struct FrameTarget(bool Wanted, Memory<byte> Destination, VectorBuffer? Owner)
{
    /// <summary>Read the payload and throw it away.</summary>
    public static FrameTarget Discard => default;

    /// <summary>Read the payload into this memory.</summary>
    public static FrameTarget Into(Memory<byte> destination, VectorBuffer? owner = null) => new(true, destination, owner);
}

/// <summary>Who receives the frames of a link. Calls come one at a time, from the link's reader.</summary>
public interface IFrameReceiver
{
    /// <summary>A header has arrived: says where its payload goes, of exactly its length, or refuses it.</summary>
    /// <exception cref="LinkException">The frame is against the rules: the link is closed with this reason.</exception>
    FrameTarget Begin(TensorLink link, in FrameHeader header);

    /// <summary>A payload that was not discarded is in its place and its checksum is right. The hold on the owner passes to the receiver.</summary>
    void Complete(TensorLink link, in FrameHeader header, in FrameTarget target);

    /// <summary>The link is closed; nothing comes any more.</summary>
    void Closed(TensorLink link, string reason);
}

/// <summary>
/// A TCP connection that carries frames straight into and out of pooled buffers. Sending is queued and never waits for the
/// other end; a frame against the rules closes the link with a reason and harms nothing else.
/// </summary>
public sealed class TensorLink : IDisposable
{
    /// <summary>Frames that may wait to be sent: more than a round of the largest vector has.</summary>
    public const int MaxQueuedFrames = 1 << 16;

    private const int SmallPayload = 16 * 1024;

    private readonly Socket _socket;
    private readonly IFrameReceiver _receiver;
    private readonly LinkMetrics? _metrics;
    private readonly Channel<Outbound> _outbound = Channel.CreateBounded<Outbound>(
        new BoundedChannelOptions(MaxQueuedFrames) { SingleReader = true, AllowSynchronousContinuations = false });
    private readonly CancellationTokenSource _closing = new();
    private readonly byte[] _scratch = new byte[FrameHeader.MaxLength];
    private string? _reason;

    private readonly record struct Outbound(FrameHeader Header, ReadOnlyMemory<byte> Payload, VectorBuffer? Owner);

    /// <summary>Takes over a connected socket. Nothing is read before <see cref="RunAsync"/>.</summary>
    /// <param name="socket">Connected; closed with the link.</param>
    /// <param name="receiver">Takes what comes.</param>
    /// <param name="metrics">Counts bytes and refused frames.</param>
    public TensorLink(Socket socket, IFrameReceiver receiver, LinkMetrics? metrics = null)
    {
        _metrics = metrics;
        _socket = socket;
        _socket.NoDelay = true;
        _receiver = receiver;
        Peer = socket.RemoteEndPoint?.ToString() ?? "unknown";
    }

    /// <summary>Address of the other end.</summary>
    public string Peer { get; }

    /// <summary>Bytes sent, headers included.</summary>
    public long BytesSent { get; private set; }

    /// <summary>Bytes received, headers included.</summary>
    public long BytesReceived { get; private set; }

    /// <summary>Moves frames both ways until the link is closed; never throws.</summary>
    public async Task RunAsync()
    {
        // On threads of their own: frames that are there already would be read on the caller's, before anything is written.
        await Task.WhenAll(Task.Run(() => Guard(ReadAsync)), Task.Run(() => Guard(WriteAsync))).ConfigureAwait(false);
        // Close may still be on its way in another thread; what is queued after this would be held for good.
        _outbound.Writer.TryComplete();
        while (_outbound.Reader.TryRead(out var left)) left.Owner?.Release();
        _receiver.Closed(this, _reason ?? "closed");
    }

    /// <summary>Queues a frame. The owner is held until it is sent. After the link has closed, frames go nowhere.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The payload has not the length in the header, or more than <see cref="FrameHeader.MaxLength"/>.</exception>
    public void Send(in FrameHeader header, ReadOnlyMemory<byte> payload, VectorBuffer? owner = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, header.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, FrameHeader.MaxLength);
        if (_outbound.Writer.TryWrite(new(header, payload, owner?.Hold()))) return;
        owner?.Release();
        Close($"more than {MaxQueuedFrames} frames wait for {Peer}");
    }

    /// <summary>Closes the link; the first reason is the one that is told.</summary>
    public void Close(string reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null) return;
        _outbound.Writer.TryComplete();
        _closing.Cancel();
        _socket.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => Close("closed");

    private async Task Guard(Func<Task> move)
    {
        try
        {
            await move().ConfigureAwait(false);
        }
        catch (LinkException error)
        {
            _metrics?.FrameRefused(MetricLabels.Violation);
            Close(error.Message);
        }
        catch (EndOfStreamException error)
        {
            Close(error.Message);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            Close($"the connection to {Peer} broke: {error.Message}");
        }
        catch (Exception error)
        {
            Close($"a frame from {Peer} could not be handled: {error.Message}");
        }
    }

    private async Task ReadAsync()
    {
        var header = new byte[FrameHeader.Size];
        while (await FillAsync(header, mayEnd: true).ConfigureAwait(false))
        {
            var frame = FrameHeader.Read(header);
            var target = _receiver.Begin(this, frame);
            var kept = false;
            try
            {
                var payload = target.Wanted ? target.Destination : _scratch.AsMemory(0, frame.Length);
                if (payload.Length != frame.Length)
                    throw new LinkException($"{frame.Kind} frame of {frame.Length} bytes received, {payload.Length} expected");
                await FillAsync(payload, mayEnd: false).ConfigureAwait(false);
                FrameHeader.Verify(header, payload.Span);
                BytesReceived += FrameHeader.Size + frame.Length;
                _metrics?.Received(FrameHeader.Size + frame.Length);
                if (!target.Wanted) continue;
                kept = true;
                _receiver.Complete(this, frame, target);
            }
            finally
            {
                if (!kept) target.Owner?.Release();
            }
        }
        Close($"{Peer} closed the connection");
    }

    private async ValueTask<bool> FillAsync(Memory<byte> destination, bool mayEnd)
    {
        for (var filled = 0; filled < destination.Length;)
        {
            var count = await _socket.ReceiveAsync(destination[filled..], SocketFlags.None, _closing.Token).ConfigureAwait(false);
            if (count == 0 && filled == 0 && mayEnd) return false;
            if (count == 0) throw new EndOfStreamException($"{Peer} closed the connection in the middle of a frame");
            filled += count;
        }
        return true;
    }

    private async Task WriteAsync()
    {
        // A small frame leaves in one piece: header and payload in two would be two packets.
        var piece = new byte[FrameHeader.Size + SmallPayload];
        await foreach (var (header, payload, owner) in _outbound.Reader.ReadAllAsync(_closing.Token).ConfigureAwait(false))
        {
            try
            {
                header.Write(piece, payload.Span);
                var small = payload.Length <= SmallPayload;
                if (small) payload.CopyTo(piece.AsMemory(FrameHeader.Size));
                await SendAllAsync(piece.AsMemory(0, FrameHeader.Size + (small ? payload.Length : 0))).ConfigureAwait(false);
                if (!small) await SendAllAsync(payload).ConfigureAwait(false);
                BytesSent += FrameHeader.Size + payload.Length;
                _metrics?.Sent(FrameHeader.Size + payload.Length);
            }
            finally
            {
                owner?.Release();
            }
        }
    }

    private async ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, _closing.Token).ConfigureAwait(false)..];
    }
}
