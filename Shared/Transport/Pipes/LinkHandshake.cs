using System.Net;
using System.Net.Sockets;
using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

internal sealed record LinkIdentity(ulong Job, byte[] Token, string Name);

internal sealed record LinkOptions
{
    /// <summary>Whether to exchange frames with processes of the same host through shared memory; both ends must want it.</summary>
    public bool SharedMemory { get; init; } = true;

    public TimeSpan GreetingTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Null for unencrypted connections. A link keeps the certificates that are current when it is made.</summary>
    public CertificateSource? Certificates { get; init; }

    /// <summary>The secret that both ends prove to hold; null if certificates authenticate them.</summary>
    public JoinToken? Token { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Called if this end refuses the process to which it has connected.</summary>
    public Action<Refusal>? Refused { get; init; }
}

// Turns a TCP connection into a pipe. Both ends authenticate each other by certificates or by the join token. The connecting end sends its
// identity and offers memory to share; the accepting end checks the identity, opens the memory if it can, and answers. Without shared
// memory, frames go over the connection; with shared memory, only its doorbell does, unencrypted.
internal static class LinkHandshake
{
    public static async Task<IFramePipe> ConnectAsync(
        string host, int port, LinkIdentity self, LinkOptions options, CancellationToken cancellation)
    {
        using var timeout = TimeoutOf(options, cancellation);
        try
        {
            var socket = await ConnectAsync(host, port, timeout.Token).ConfigureAwait(false);
            return await GreetAsync(socket, host, self, options, timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new LinkException($"the link at {host}:{port} does not answer within {options.GreetingTimeout.TotalSeconds} s", error)
            {
                IsDisconnect = true,
            };
        }
        catch (LinkException error) when (error.Refusal is { } refusal)
        {
            options.Refused?.Invoke(refusal);
            throw new LinkException($"the link at {host}:{port} is refused: {error.Message}", error) { Refusal = refusal };
        }
    }

    /// <summary>Checks the greeting on an accepted connection, and answers. Closes the socket if that fails.</summary>
    public static async Task<(string Name, IFramePipe Pipe)> AcceptAsync(
        Socket socket, ulong job, byte[] token, Func<string, bool> admits, LinkOptions options, CancellationToken cancellation)
    {
        using var timeout = TimeoutOf(options, cancellation);
        try
        {
            socket.Blocking = false;
            var stream = new StreamSocket(socket, RemoteOf(socket)?.ToString() ?? "unknown");
            return await AnswerAsync(stream, job, token, admits, options, timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new LinkException($"it did not identify itself within {options.GreetingTimeout.TotalSeconds} s", error)
            {
                Refusal = Refusal.Slow,
            };
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new LinkException($"the connection broke: {error.Message}", error) { IsDisconnect = true };
        }
    }

    internal static EndPoint? RemoteOf(Socket socket)
    {
        try
        {
            return socket.RemoteEndPoint;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static CancellationTokenSource TimeoutOf(LinkOptions options, CancellationToken cancellation)
    {
        var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(options.GreetingTimeout);
        return timeout;
    }

    private static async Task<StreamSocket> ConnectAsync(string host, int port, CancellationToken timeout)
    {
        string? reason = null;
        foreach (var address in await AddressesAsync(host, port, timeout).ConfigureAwait(false))
        {
            // Not Socket.ConnectAsync: see StreamSocket.
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            StreamSocket? connected = null;
            try
            {
                reason = await TryConnectAsync(socket, new(address, port), timeout).ConfigureAwait(false);
                if (reason is null) return connected = new(socket, new IPEndPoint(address, port).ToString());
            }
            finally
            {
                if (connected is null) socket.Dispose();
            }
        }
        throw new LinkException($"the link at {host}:{port} cannot be reached: {reason ?? "it has no address"}") { IsDisconnect = true };
    }

    private static async Task<IPAddress[]> AddressesAsync(string host, int port, CancellationToken timeout)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(host, timeout).ConfigureAwait(false);
        }
        catch (SocketException error)
        {
            throw new LinkException($"the link at {host}:{port} cannot be reached: {error.Message}", error) { IsDisconnect = true };
        }
    }

    private static async Task<string?> TryConnectAsync(Socket socket, IPEndPoint address, CancellationToken timeout)
    {
        try
        {
            socket.Connect(address);
            return null;
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            var pause = new HandshakePause();
            while (!socket.Poll(0, SelectMode.SelectWrite) && !socket.Poll(0, SelectMode.SelectError))
                await pause.WaitAsync(timeout).ConfigureAwait(false);
            var code = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            return code == 0 ? null : new SocketException(code).Message;
        }
        catch (SocketException error)
        {
            return error.Message;
        }
    }

    private static async Task<IFramePipe> GreetAsync(
        StreamSocket socket, string host, LinkIdentity self, LinkOptions options, CancellationToken timeout)
    {
        IByteStream stream = socket;
        LinkMemory? memory = null;
        try
        {
            if (options.Certificates is { } certificates)
                stream = await TlsSocket.AuthenticateAsync(socket, host, certificates.Current, timeout).ConfigureAwait(false);
            memory = options.SharedMemory ? LinkMemory.TryCreate() : null;
            using var greeting = new Greeting(stream);
            if (options.Token is { } token) await greeting.ProveAsync(token, connects: true, timeout).ConfigureAwait(false);
            var hello = new LinkHello(self.Token, self.Name, memory?.Offer);
            await greeting.SendAsync(self.Job, hello.ToBytes(), timeout).ConfigureAwait(false);
            var (job, answer) = await greeting.ReceiveAsync(1, " instead of answering the greeting", timeout).ConfigureAwait(false);
            if (job != self.Job || answer is not ([0] or [1]) || (memory is null && answer is [1]))
                throw new LinkException($"{stream.Peer} sent a malformed answer to the greeting");
            memory?.CloseFile();
            if (answer is [1]) return Shared(memory!, isMaker: true, socket, stream);
            memory?.Dispose();
            return new SocketPipe(stream);
        }
        catch
        {
            memory?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    private static async Task<(string, IFramePipe)> AnswerAsync(
        StreamSocket socket, ulong job, byte[] token, Func<string, bool> admits, LinkOptions options, CancellationToken timeout)
    {
        IByteStream stream = socket;
        LinkMemory? memory = null;
        try
        {
            if (options.Certificates is { } certificates)
                stream = await TlsSocket.AuthenticateAsync(socket, host: null, certificates.Current, timeout).ConfigureAwait(false);
            using var greeting = new Greeting(stream);
            if (options.Token is { } join) await greeting.ProveAsync(join, connects: false, timeout).ConfigureAwait(false);
            var (greetedJob, payload) =
                await greeting.ReceiveAsync(LinkHello.MaxLength, " before it identified itself", timeout).ConfigureAwait(false);
            var hello = LinkHello.Read(payload) ?? throw Greeting.Malformed();
            if (!hello.HasToken(token) || greetedJob != job)
                throw new LinkException("the greeting is not one of this job") { Refusal = Refusal.Stranger };
            if (!admits(hello.Name))
                throw new LinkException($"{hello.Name} is not expected, or has a link already") { Refusal = Refusal.Stranger };
            memory = options.SharedMemory && hello.Memory is { } offer ? LinkMemory.TryOpen(offer) : null;
            await greeting.SendAsync(job, [(byte)(memory is null ? 0 : 1)], timeout).ConfigureAwait(false);
            return (hello.Name, memory is null ? new SocketPipe(stream) : Shared(memory, isMaker: false, socket, stream));
        }
        catch
        {
            memory?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    // No end rings the doorbell before the other has read the whole greeting.
    private static SharedMemoryPipe Shared(LinkMemory memory, bool isMaker, StreamSocket socket, IByteStream stream)
    {
        (stream as TlsSocket)?.StopEncrypting();
        return new(memory, isMaker, socket);
    }
}
