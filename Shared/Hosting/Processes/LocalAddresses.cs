using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Distributed.Hosting.Processes;

/// <summary>Which addresses are of this machine: what is sent to them crosses no network.</summary>
internal static class LocalAddresses
{
    public static bool Has(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (IPAddress.IsLoopback(address)) return true;
        try
        {
            return NetworkInterface.GetAllNetworkInterfaces().SelectMany(one => one.GetIPProperties().UnicastAddresses).Any(own => own.Address.Equals(address));
        }
        catch (NetworkInformationException)
        {
            return false;
        }
    }

    /// <summary>Whether a name or address leads to no other machine.</summary>
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
