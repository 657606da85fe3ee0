using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Distributed.Hosting.Processes;

internal static class ListenAddress
{
    /// <param name="host">IP address or name of this machine; 0.0.0.0 or :: for all of its interfaces.</param>
    public static async Task<IPAddress> OfAsync(string host, CancellationToken cancel)
    {
        // A lookup of 0.0.0.0 fails.
        if (IPAddress.TryParse(host, out var address)) return address;
        var addresses = await Dns.GetHostAddressesAsync(host, cancel).ConfigureAwait(false);
        return addresses.FirstOrDefault() ?? throw new SocketException((int)SocketError.NoData);
    }
}

/// <summary>The addresses of this machine: traffic to them crosses no network.</summary>
internal static class LocalAddresses
{
    public static bool Has(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (IPAddress.IsLoopback(address)) return true;
        try
        {
            return NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(one => one.GetIPProperties().UnicastAddresses).Any(own => own.Address.Equals(address));
        }
        catch (NetworkInformationException)
        {
            return false;
        }
    }

    /// <summary>Whether all addresses of a name are loopback addresses.</summary>
    public static async Task<bool> IsLoopbackAsync(string host, CancellationToken cancellation)
    {
        if (IPAddress.TryParse(host, out var own)) return IPAddress.IsLoopback(own);
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(host, cancellation).ConfigureAwait(false);
            return addresses.Length > 0 && addresses.All(IPAddress.IsLoopback);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
