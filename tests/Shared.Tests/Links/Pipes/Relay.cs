using System.Net;
using System.Net.Sockets;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Forwards the bytes of every connection both ways, and records them.</summary>
internal sealed class Relay : IDisposable
{
    private readonly Socket _listener = PipePair.Listen();
    private readonly List<Socket> _sockets = [];
    private readonly List<byte> _seen = [];

    public int Port => PipePair.PortOf(_listener);

    public volatile bool FlipsBits;

    /// <summary>The bytes forwarded so far.</summary>
    public byte[] Seen
    {
        get { lock (_seen) return [.. _seen]; }
    }

    /// <summary>Forwards to a port of this machine; null if <see cref="To"/> sets it later.</summary>
    public static Relay Start(int? port = null)
    {
        var relay = new Relay { To = port };
        _ = relay.RunAsync();
        return relay;
    }

    /// <summary>The port to forward to.</summary>
    public int? To { get; set; }

    public void Dispose()
    {
        _listener.Dispose();
        lock (_sockets)
            foreach (var socket in _sockets) socket.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                var inward = await _listener.AcceptAsync();
                var onward = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                lock (_sockets) _sockets.AddRange([inward, onward]);
                await onward.ConnectAsync(IPAddress.Loopback, To!.Value);
                _ = Task.WhenAll(PassAsync(inward, onward), PassAsync(onward, inward));
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The test has ended.
        }
    }

    private async Task PassAsync(Socket from, Socket to)
    {
        var bytes = new byte[4096];
        try
        {
            while (await from.ReceiveAsync(bytes) is > 0 and var count)
            {
                lock (_seen) _seen.AddRange(bytes.AsSpan(0, count));
                if (FlipsBits) bytes[count - 1] ^= 1;
                await to.SendAllAsync(bytes.AsMemory(0, count));
            }
            to.Shutdown(SocketShutdown.Both);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The test has ended.
        }
    }
}
