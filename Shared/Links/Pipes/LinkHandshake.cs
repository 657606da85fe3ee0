using System.Net;
using System.Net.Sockets;

namespace Distributed.Shared.Links;

/// <summary>What a process says of itself when it connects.</summary>
/// <param name="Job">Fingerprint of the job.</param>
/// <param name="Token">What the other end expects: <see cref="LinkHello.TokenLength"/> bytes.</param>
/// <param name="Name">1 to <see cref="LinkHello.MaxNameLength"/> letters, digits, '.', '_', '-'.</param>
public sealed record LinkIdentity(ulong Job, byte[] Token, string Name);

/// <summary>How links are set up.</summary>
public sealed record LinkOptions
{
    /// <summary>Whether two processes of one host exchange frames through shared memory; both must want it.</summary>
    public bool SharedMemory { get; init; } = true;

    /// <summary>How long a connection with its greeting may take.</summary>
    public TimeSpan GreetingTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// Turns a TCP connection into a pipe: the one that connects says who it is and offers memory to share; the one that accepts
/// checks that, opens the memory if it can, and answers. What cannot share memory goes on over TCP without a word.
/// </summary>
public static class LinkHandshake
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(1);

    /// <summary>Connects, says who this is, and waits for the answer.</summary>
    /// <exception cref="LinkException">The other end cannot be reached, refuses, or does not answer in time.</exception>
    public static async Task<IFramePipe> ConnectAsync(string host, int port, LinkIdentity self, LinkOptions options, CancellationToken cancellation)
    {
        using var patience = Patience(options, cancellation);
        try
        {
            var socket = await ConnectAsync(host, port, patience.Token).ConfigureAwait(false);
            try
            {
                return await GreetAsync(socket, self, options, patience.Token).ConfigureAwait(false);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new LinkException($"the link at {host}:{port} does not answer within {options.GreetingTimeout.TotalSeconds} s", error) { IsDisconnect = true };
        }
    }

    /// <summary>Waits for the greeting on a connection that was accepted, checks it, and answers. The socket is closed if that fails.</summary>
    /// <param name="socket">Accepted, and not used yet.</param>
    /// <param name="job">Fingerprint of the job.</param>
    /// <param name="token">What the greeting must hold.</param>
    /// <param name="admits">Whether a link of this name is expected.</param>
    /// <param name="options">Whether memory is shared, and how long the greeting may take.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="LinkException">The greeting is against the rules, or does not come in time.</exception>
    public static async Task<(string Name, IFramePipe Pipe)> AcceptAsync(
        Socket socket, ulong job, byte[] token, Func<string, bool> admits, LinkOptions options, CancellationToken cancellation)
    {
        using var patience = Patience(options, cancellation);
        try
        {
            socket.Blocking = false;
            return await AnswerAsync(new(socket, NameOf(socket)), job, token, admits, options, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            socket.Dispose();
            throw new LinkException($"it did not say who it is within {options.GreetingTimeout.TotalSeconds} s", error);
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new LinkException($"the connection broke: {error.Message}", error) { IsDisconnect = true };
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    internal static string NameOf(Socket socket)
    {
        try
        {
            return socket.RemoteEndPoint?.ToString() ?? "unknown";
        }
        catch (SocketException)
        {
            return "unknown";
        }
    }

    private static CancellationTokenSource Patience(LinkOptions options, CancellationToken cancellation)
    {
        var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(options.GreetingTimeout);
        return patience;
    }

    private static async Task<StreamSocket> ConnectAsync(string host, int port, CancellationToken patience)
    {
        string? reason = null;
        foreach (var address in await AddressesAsync(host, port, patience).ConfigureAwait(false))
        {
            // Not ConnectAsync: see StreamSocket.
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            try
            {
                if (await ConnectAsync(socket, new(address, port), patience).ConfigureAwait(false) is not { } error)
                    return new(socket, new IPEndPoint(address, port).ToString());
                reason = error.Message;
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        throw new LinkException($"the link at {host}:{port} cannot be reached: {reason ?? "it has no address"}") { IsDisconnect = true };
    }

    private static async Task<IPAddress[]> AddressesAsync(string host, int port, CancellationToken patience)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(host, patience).ConfigureAwait(false);
        }
        catch (SocketException error)
        {
            throw new LinkException($"the link at {host}:{port} cannot be reached: {error.Message}", error) { IsDisconnect = true };
        }
    }

    private static async Task<SocketException?> ConnectAsync(Socket socket, IPEndPoint address, CancellationToken patience)
    {
        try
        {
            socket.Connect(address);
            return null;
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            while (!socket.Poll(0, SelectMode.SelectWrite) && !socket.Poll(0, SelectMode.SelectError))
                await Task.Delay(_pause, patience).ConfigureAwait(false);
            var code = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            return code == 0 ? null : new(code);
        }
        catch (SocketException error)
        {
            return error;
        }
    }

    private static async Task<IFramePipe> GreetAsync(StreamSocket socket, LinkIdentity self, LinkOptions options, CancellationToken patience)
    {
        var memory = options.SharedMemory ? LinkMemory.TryCreate() : null;
        try
        {
            await SendAsync(socket, self.Job, new LinkHello(self.Token, self.Name, memory?.Offer).ToBytes(), patience).ConfigureAwait(false);
            var (job, answer) = await ReceiveAsync(socket, 1, " instead of answering the greeting", patience).ConfigureAwait(false);
            if (job != self.Job || answer is not ([0] or [1]) || (memory is null && answer is [1]))
                throw new LinkException($"{socket.Peer} answers the greeting with what is no answer");
            memory?.CloseFile();
            if (answer is [1]) return new SharedMemoryPipe(memory!, isMaker: true, socket);
            memory?.Dispose();
            return new SocketPipe(socket);
        }
        catch
        {
            memory?.Dispose();
            throw;
        }
    }

    private static async Task<(string, IFramePipe)> AnswerAsync(
        StreamSocket socket, ulong job, byte[] token, Func<string, bool> admits, LinkOptions options, CancellationToken patience)
    {
        var (greetedJob, payload) = await ReceiveAsync(socket, LinkHello.MaxLength, " before it said who it is", patience).ConfigureAwait(false);
        var hello = LinkHello.Read(payload) ?? throw NoGreeting();
        if (!hello.HasToken(token) || greetedJob != job) throw new LinkException("the greeting is not one of this job");
        if (!admits(hello.Name)) throw new LinkException($"{hello.Name} is not expected, or has a link already");
        var memory = options.SharedMemory && hello.Memory is { } offer ? LinkMemory.TryOpen(offer) : null;
        try
        {
            await SendAsync(socket, job, [(byte)(memory is null ? 0 : 1)], patience).ConfigureAwait(false);
            return (hello.Name, memory is null ? new SocketPipe(socket) : new SharedMemoryPipe(memory, isMaker: false, socket));
        }
        catch
        {
            memory?.Dispose();
            throw;
        }
    }

    private static async Task SendAsync(StreamSocket socket, ulong job, byte[] payload, CancellationToken patience)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(FrameKind.Hello, job, 0, 0, 0, default, payload.Length).Write(frame, payload);
        payload.CopyTo(frame.AsSpan(FrameHeader.Size));
        for (var sent = 0; sent < frame.Length;)
        {
            var count = socket.Send(frame.AsSpan(sent), default);
            if (count == 0) await Task.Delay(_pause, patience).ConfigureAwait(false);
            sent += count;
        }
    }

    private static async Task<(ulong Job, byte[] Payload)> ReceiveAsync(StreamSocket socket, int maxLength, string expectation, CancellationToken patience)
    {
        var bytes = new byte[FrameHeader.Size];
        await FillAsync(socket, bytes, expectation, patience).ConfigureAwait(false);
        var header = Checked(() => FrameHeader.Read(bytes));
        if (header.Kind != FrameKind.Hello || header.Length > maxLength) throw NoGreeting();
        var payload = new byte[header.Length];
        await FillAsync(socket, payload, expectation, patience).ConfigureAwait(false);
        return Checked(() =>
        {
            FrameHeader.Verify(bytes, payload);
            return (header.Job, payload);
        });
    }

    private static async Task FillAsync(StreamSocket socket, byte[] buffer, string expectation, CancellationToken patience)
    {
        // No byte more than the greeting has: what comes behind it belongs to the pipe.
        for (var filled = 0; filled < buffer.Length;)
        {
            var count = socket.Receive(buffer.AsSpan(filled));
            if (count == 0) throw socket.Closed(expectation);
            if (count < 0) await Task.Delay(_pause, patience).ConfigureAwait(false);
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
            throw NoGreeting(error);
        }
    }

    private static LinkException NoGreeting(LinkException? cause = null) =>
        cause is null ? new("the connection does not begin with a greeting") : new($"the connection does not begin with a greeting: {cause.Message}", cause);
}
