using System.Net;
using System.Net.Sockets;
using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>What a process says of itself when it connects.</summary>
/// <param name="Token">What the other end expects: <see cref="LinkHello.TokenLength"/> bytes.</param>
/// <param name="Name">1 to <see cref="LinkHello.MaxNameLength"/> letters, digits, '.', '_', '-'.</param>
internal sealed record LinkIdentity(ulong Job, byte[] Token, string Name);

internal sealed record LinkOptions
{
    /// <summary>Whether two processes of one host exchange frames through shared memory; both must want it.</summary>
    public bool SharedMemory { get; init; } = true;

    /// <summary>How long a connection with its greeting may take.</summary>
    public TimeSpan GreetingTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What both ends show each other, and encrypt with; null for connections in the clear. A link uses what there is when it is made.</summary>
    public CertificateSource? Certificates { get; init; }

    /// <summary>What both ends have to hold, and prove to each other; null where certificates keep strangers out.</summary>
    public JoinToken? Token { get; init; }

    /// <summary>The clock of what is told about refused connections.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Is told why, when this end does not believe whom it has connected to.</summary>
    public Action<Refusal>? Refused { get; init; }
}

/// <summary>
/// Turns a TCP connection into a pipe: with certificates, both ends show theirs, else they prove that they hold the join token; the one
/// that connects says who it is and offers memory to share; the one that accepts checks that, opens the memory if it can, and answers. What cannot share memory goes on
/// over the connection without a word. Where memory is shared, nothing but its doorbell goes over the connection, in the clear.
/// </summary>
internal static class LinkHandshake
{

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
                return await GreetAsync(socket, host, self, options, patience.Token).ConfigureAwait(false);
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
        catch (LinkException error) when (error.Refusal is { } refusal)
        {
            options.Refused?.Invoke(refusal);
            throw new LinkException($"the link at {host}:{port} is refused: {error.Message}", error) { Refusal = refusal };
        }
    }

    /// <summary>Waits for the greeting on a connection that was accepted, checks it, and answers. The socket is closed if that fails.</summary>
    /// <param name="socket">Accepted, and not used yet.</param>
    /// <param name="token">What the greeting must hold.</param>
    /// <param name="admits">Whether a link of this name is expected.</param>
    /// <param name="options">Whether memory is shared, and how long the greeting may take.</param>
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
            throw new LinkException($"it did not say who it is within {options.GreetingTimeout.TotalSeconds} s", error) { Refusal = Refusal.Slow };
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

    /// <summary>See <see cref="ConnectionPlaces.OriginOf"/>.</summary>
    internal static string OriginOf(Socket socket)
    {
        try
        {
            return ConnectionPlaces.OriginOf(socket.RemoteEndPoint);
        }
        catch (SocketException)
        {
            return "";
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
            var pause = new HandshakePause();
            while (!socket.Poll(0, SelectMode.SelectWrite) && !socket.Poll(0, SelectMode.SelectError))
                await pause.WaitAsync(patience).ConfigureAwait(false);
            var code = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            return code == 0 ? null : new(code);
        }
        catch (SocketException error)
        {
            return error;
        }
    }

    private static async Task<IFramePipe> GreetAsync(StreamSocket socket, string host, LinkIdentity self, LinkOptions options, CancellationToken patience)
    {
        IByteStream stream = options.Certificates is { } certificates ? await TlsSocket.ConnectAsync(socket, host, certificates.Current, patience).ConfigureAwait(false) : socket;
        var memory = options.SharedMemory ? LinkMemory.TryCreate() : null;
        using var greeting = new Greeting(stream);
        try
        {
            if (options.Token is { } token) await greeting.ProveAsync(token, connects: true, patience).ConfigureAwait(false);
            await greeting.SendAsync(self.Job, new LinkHello(self.Token, self.Name, memory?.Offer).ToBytes(), patience).ConfigureAwait(false);
            var (job, answer) = await greeting.ReceiveAsync(1, " instead of answering the greeting", patience).ConfigureAwait(false);
            if (job != self.Job || answer is not ([0] or [1]) || (memory is null && answer is [1]))
                throw new LinkException($"{stream.Peer} answers the greeting with what is no answer");
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
        StreamSocket socket, ulong job, byte[] token, Func<string, bool> admits, LinkOptions options, CancellationToken patience)
    {
        IByteStream stream = options.Certificates is { } certificates ? await TlsSocket.AcceptAsync(socket, certificates.Current, patience).ConfigureAwait(false) : socket;
        LinkMemory? memory = null;
        using var greeting = new Greeting(stream);
        try
        {
            if (options.Token is { } join) await greeting.ProveAsync(join, connects: false, patience).ConfigureAwait(false);
            var (greetedJob, payload) = await greeting.ReceiveAsync(LinkHello.MaxLength, " before it said who it is", patience).ConfigureAwait(false);
            var hello = LinkHello.Read(payload) ?? throw Greeting.None();
            if (!hello.HasToken(token) || greetedJob != job) throw new LinkException("the greeting is not one of this job") { Refusal = Refusal.Stranger };
            if (!admits(hello.Name)) throw new LinkException($"{hello.Name} is not expected, or has a link already") { Refusal = Refusal.Stranger };
            memory = options.SharedMemory && hello.Memory is { } offer ? LinkMemory.TryOpen(offer) : null;
            await greeting.SendAsync(job, [(byte)(memory is null ? 0 : 1)], patience).ConfigureAwait(false);
            return (hello.Name, memory is null ? new SocketPipe(stream) : Shared(memory, isMaker: false, socket, stream));
        }
        catch
        {
            memory?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    /// <summary>No end rings before the other has read all that was said on the connection.</summary>
    private static SharedMemoryPipe Shared(LinkMemory memory, bool isMaker, StreamSocket socket, IByteStream stream)
    {
        (stream as TlsSocket)?.Leave();
        return new(memory, isMaker, socket);
    }
}
