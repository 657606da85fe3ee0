using System.Net;
using System.Net.Sockets;

namespace Distributed.Bench.Processes;

internal static class Ports
{
    /// <summary>A port of this machine that is free now.</summary>
    public static int Free()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
