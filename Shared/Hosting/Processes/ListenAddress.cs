using System.Net;
using System.Net.Sockets;

namespace Distributed.Hosting.Processes;

/// <summary>Where a process listens.</summary>
internal static class ListenAddress
{
    /// <param name="host">IP address or name of this machine; 0.0.0.0 or :: for all of its interfaces.</param>
    /// <param name="cancel">Gives up looking the name up.</param>
    /// <exception cref="SocketException">The name has no address.</exception>
    public static async Task<IPAddress> OfAsync(string host, CancellationToken cancel) =>
        // Looking 0.0.0.0 up is refused.
        IPAddress.TryParse(host, out var address) ? address
        : (await Dns.GetHostAddressesAsync(host, cancel).ConfigureAwait(false)).FirstOrDefault() ?? throw new SocketException((int)SocketError.NoData);
}
