using System.Net;
using System.Net.Sockets;

namespace Distributed.Shared.Tests.Links;

/// <summary>Real connections on this machine.</summary>
internal static class Loopback
{
    /// <summary>After this time a test fails; never a measurement.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    public static async Task<(Socket Here, Socket There)> ConnectAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var here = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await here.ConnectAsync(listener.LocalEndPoint!);
        return (here, await listener.AcceptAsync());
    }

    public static async Task SendAllAsync(this Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[await socket.SendAsync(bytes)..];
    }

    public static Task Soon(this Task task) => task.WaitAsync(Timeout);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Timeout);
}
