using Distributed.Core.Reduction;
using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

// The messages of both ends before a connection becomes a pipe: frames of the kind FrameKind.Hello, sealed once both ends
// have proved that they hold the join token.
internal sealed class Greeting(IByteStream stream) : IDisposable
{
    private SealedChannel? _channel;

    /// <summary>Proves to the other end that this one holds the token, and requires the same.</summary>
    public async Task ProveAsync(JoinToken token, bool connects, CancellationToken timeout)
    {
        var handshake = connects
            ? JoinHandshake.Connecting(token, JoinHandshake.Links)
            : JoinHandshake.Accepting(token, JoinHandshake.Links);
        if (handshake.Opening is { } opening) await SendAsync(opening, timeout).ConfigureAwait(false);
        while (_channel is null)
        {
            var message = new byte[handshake.NextLength];
            await FillAsync(message, " before it had proved that it holds the join token", timeout).ConfigureAwait(false);
            var (reply, channel, refusal) = handshake.Receive(message);
            if (reply is not null) await SendAsync(reply, timeout).ConfigureAwait(false);
            if (refusal is { } reason)
            {
                throw new LinkException(reason == Refusal.Untrusted
                    ? "it does not hold the join token of this end"
                    : "the connection does not begin with the proof of a join token")
                { Refusal = reason };
            }
            _channel = channel;
        }
    }

    public Task SendAsync(ulong job, byte[] payload, CancellationToken timeout)
    {
        var header = new byte[FrameHeader.Size];
        new FrameHeader(FrameKind.Hello, job, 0, 0, 0, default, payload.Length).Write(header, payload);
        return SendAsync(_channel is { } channel ? [.. channel.Seal(header), .. channel.Seal(payload)] : [.. header, .. payload], timeout);
    }

    /// <param name="moment">Added to the error message if the connection is closed instead.</param>
    public async Task<(ulong Job, byte[] Payload)> ReceiveAsync(int maxLength, string moment, CancellationToken timeout)
    {
        var bytes = await TakeAsync(FrameHeader.Size, moment, timeout).ConfigureAwait(false);
        var header = Checked(() => FrameCodec.Read(bytes));
        if (header.Kind != FrameKind.Hello || header.Length > maxLength) throw Malformed();
        var payload = await TakeAsync(header.Length, moment, timeout).ConfigureAwait(false);
        return Checked(() =>
        {
            FrameCodec.Verify(bytes, payload);
            return (header.Job, payload);
        });
    }

    public static LinkException Malformed(LinkException? cause = null)
    {
        const string Message = "the connection does not begin with a greeting";
        return cause is null
            ? new(Message) { Refusal = Refusal.Garbage }
            : new($"{Message}: {cause.Message}", cause) { Refusal = Refusal.Garbage };
    }

    public void Dispose() => _channel?.Dispose();

    private async Task<byte[]> TakeAsync(int length, string moment, CancellationToken timeout)
    {
        var bytes = new byte[_channel is null ? length : length + SealedChannel.Overhead];
        await FillAsync(bytes, moment, timeout).ConfigureAwait(false);
        return _channel is null ? bytes : _channel.Open(bytes) ?? throw Malformed();
    }

    private async Task SendAsync(byte[] bytes, CancellationToken timeout)
    {
        var pause = new HandshakePause();
        for (var sent = 0; sent < bytes.Length;)
        {
            var count = stream.Send(bytes.AsSpan(sent), default);
            if (count == 0) await pause.WaitAsync(timeout).ConfigureAwait(false);
            sent += count;
        }
    }

    // Reads no byte more, since the next one belongs to the pipe.
    private async Task FillAsync(byte[] buffer, string moment, CancellationToken timeout)
    {
        var pause = new HandshakePause();
        for (var filled = 0; filled < buffer.Length;)
        {
            var count = stream.Receive(buffer.AsSpan(filled));
            if (count == 0) throw stream.Closed(moment);
            if (count < 0) await pause.WaitAsync(timeout).ConfigureAwait(false);
            filled += Math.Max(0, count);
        }
    }

    private static T Checked<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (LinkException error)
        {
            throw Malformed(error);
        }
    }
}

/// <summary>The interval between two attempts on a socket. It doubles, so that a silent peer costs no processor time.</summary>
internal sealed class HandshakePause
{
    private static readonly TimeSpan _longest = TimeSpan.FromMilliseconds(32);

    private TimeSpan _next = TimeSpan.FromMilliseconds(1);

    public Task WaitAsync(CancellationToken cancellation)
    {
        var pause = _next;
        _next = pause * 2 < _longest ? pause * 2 : _longest;
        return Task.Delay(pause, cancellation);
    }
}
