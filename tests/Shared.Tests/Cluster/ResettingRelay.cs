using System.Net;
using System.Net.Sockets;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>Relays connections to the same port of another address of this machine, and resets them on request.</summary>
internal sealed class ResettingRelay : IDisposable
{
    private readonly TcpListener _listener;
    private readonly IPAddress _target;
    private readonly Lock _lock = new();
    private readonly List<Socket> _sockets = [];

    public ResettingRelay(string address, string target)
    {
        _target = IPAddress.Parse(target);
        _listener = new(IPAddress.Parse(address), 0);
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>The port of both addresses.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Resets every connection.</summary>
    /// <returns>Their number.</returns>
    public int Reset()
    {
        lock (_lock)
        {
            var connections = _sockets.Count / 2;
            foreach (var socket in _sockets) socket.Close(0);
            _sockets.Clear();
            return connections;
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        Reset();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var here = await _listener.AcceptSocketAsync();
                var there = new Socket(SocketType.Stream, ProtocolType.Tcp);
                lock (_lock) _sockets.AddRange([here, there]);
                _ = PassOnAsync(here, there);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It is disposed.
        }
    }

    private async Task PassOnAsync(Socket here, Socket there)
    {
        try
        {
            await there.ConnectAsync(_target, Port);
            await Task.WhenAny(PumpAsync(here, there), PumpAsync(there, here));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The target is not there, or the connection was reset.
        }
        lock (_lock)
        {
            here.Close(0);
            there.Close(0);
            _sockets.RemoveAll(socket => socket == here || socket == there);
        }
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is var bytes and > 0) await to.SendAsync(buffer.AsMemory(0, bytes));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It was reset.
        }
    }
}
