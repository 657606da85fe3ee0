using Distributed.Core.Reduction;
using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>
/// What the two ends of a connection say before it is a pipe: frames of the kind <see cref="FrameKind.Hello"/>, which are sealed once both
/// ends have proved that they hold the join token.
/// </summary>
internal sealed class Greeting(IByteStream stream) : IDisposable
{
    private SealedChannel? _channel;

    /// <summary>Proves to the other end that this one holds the token, and requires the same.</summary>
    /// <param name="connects">Whether this end is the one that has connected.</param>
    /// <exception cref="LinkException">The other end does not hold it, or says something else.</exception>
    public async Task ProveAsync(JoinToken token, bool connects, CancellationToken patience)
    {
        var handshake = connects ? JoinHandshake.Connecting(token, JoinHandshake.Links) : JoinHandshake.Accepting(token, JoinHandshake.Links);
        if (handshake.Opening is { } opening) await SendAsync(opening, patience).ConfigureAwait(false);
        while (_channel is null)
        {
            var message = new byte[handshake.NextLength];
            await FillAsync(message, " before it had proved that it holds the join token", patience).ConfigureAwait(false);
            var (reply, channel, refusal) = handshake.Receive(message);
            if (reply is not null) await SendAsync(reply, patience).ConfigureAwait(false);
            if (refusal is { } reason)
                throw new LinkException(reason == Refusal.Untrusted ? "it does not hold the join token of this end" : "the connection does not begin with the proof of a join token") { Refusal = reason };
            _channel = channel;
        }
    }

    public Task SendAsync(ulong job, byte[] payload, CancellationToken patience)
    {
        var header = new byte[FrameHeader.Size];
        new FrameHeader(FrameKind.Hello, job, 0, 0, 0, default, payload.Length).Write(header, payload);
        return SendAsync(_channel is { } channel ? [.. channel.Seal(header), .. channel.Seal(payload)] : [.. header, .. payload], patience);
    }

    /// <param name="maxLength">Bytes that its payload may have.</param>
    /// <param name="expectation">What is said if the connection is closed instead.</param>
    /// <exception cref="LinkException">What comes is no such frame.</exception>
    public async Task<(ulong Job, byte[] Payload)> ReceiveAsync(int maxLength, string expectation, CancellationToken patience)
    {
        var bytes = await TakeAsync(FrameHeader.Size, expectation, patience).ConfigureAwait(false);
        var header = Checked(() => FrameCodec.Read(bytes));
        if (header.Kind != FrameKind.Hello || header.Length > maxLength) throw None();
        var payload = await TakeAsync(header.Length, expectation, patience).ConfigureAwait(false);
        return Checked(() =>
        {
            FrameCodec.Verify(bytes, payload);
            return (header.Job, payload);
        });
    }

    public static LinkException None(LinkException? cause = null) =>
        cause is null
            ? new("the connection does not begin with a greeting") { Refusal = Refusal.Garbage }
            : new($"the connection does not begin with a greeting: {cause.Message}", cause) { Refusal = Refusal.Garbage };

    public void Dispose() => _channel?.Dispose();

    private async Task<byte[]> TakeAsync(int length, string expectation, CancellationToken patience)
    {
        var bytes = new byte[_channel is null ? length : length + SealedChannel.Overhead];
        await FillAsync(bytes, expectation, patience).ConfigureAwait(false);
        return _channel is null ? bytes : _channel.Open(bytes) ?? throw None();
    }

    private async Task SendAsync(byte[] bytes, CancellationToken patience)
    {
        var pause = new HandshakePause();
        for (var sent = 0; sent < bytes.Length;)
        {
            var count = stream.Send(bytes.AsSpan(sent), default);
            if (count == 0) await pause.WaitAsync(patience).ConfigureAwait(false);
            sent += count;
        }
    }

    private async Task FillAsync(byte[] buffer, string expectation, CancellationToken patience)
    {
        var pause = new HandshakePause();
        // No byte more than the greeting has: what comes behind it belongs to the pipe.
        for (var filled = 0; filled < buffer.Length;)
        {
            var count = stream.Receive(buffer.AsSpan(filled));
            if (count == 0) throw stream.Closed(expectation);
            if (count < 0) await pause.WaitAsync(patience).ConfigureAwait(false);
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
            throw None(error);
        }
    }
}
