using System.Net;
using System.Net.Sockets;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>How the two ends of a pair are connected.</summary>
public enum LinkPath
{
    Tcp,
    Tls,
    SharedMemory,
}

/// <summary>Two ends of a link in this process, made by the handshake.</summary>
internal sealed record PipePair(IFramePipe Here, IFramePipe There) : IDisposable
{
    public const ulong Job = 77;
    public static readonly byte[] Token = [.. Enumerable.Range(1, LinkHello.TokenLength).Select(i => (byte)i)];

    public static async Task<PipePair> ConnectAsync(LinkPath transport)
    {
        using var folders = new CertificateFolders();
        var options = new LinkOptions
        {
            SharedMemory = transport == LinkPath.SharedMemory,
            Certificates = transport == LinkPath.Tls ? folders.Source() : null,
        };
        using var listener = Listen();
        var connecting = LinkHandshake.ConnectAsync("127.0.0.1", PortOf(listener), new(Job, Token, "here"), options, default);
        var (_, there) =
            await LinkHandshake.AcceptAsync(await listener.AcceptAsync().Soon(), Job, Token, _ => true, options, default).Soon();
        var here = await connecting.Soon();
        Assert.All([here, there], pipe => Assert.Equal(transport == LinkPath.SharedMemory, pipe is SharedMemoryPipe));
        return new(here, there);
    }

    /// <summary>Over TCP, with the smallest send buffer that the kernel allows. (A small receive buffer would wait for a timer.)</summary>
    public static async Task<PipePair> ConnectNarrowAsync()
    {
        var (here, there) = await Loopback.ConnectAsync();
        foreach (var socket in (Socket[])[here, there]) socket.SendBufferSize = 1;
        return new(new SocketPipe(here), new SocketPipe(there));
    }

    public static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    public static int PortOf(Socket listener) => ((IPEndPoint)listener.LocalEndPoint!).Port;

    public void Dispose()
    {
        Here.Dispose();
        There.Dispose();
    }
}
