using System.Net;
using Distributed.Hosting.Status;

namespace Distributed.Coordinator.Observers;

/// <summary>Where people are told that a server is.</summary>
internal static class PageAddress
{
    /// <summary>Where the page is, if nothing else is said: no other machine reaches it there.</summary>
    public const string Default = "127.0.0.1";

    /// <summary>As an address that works from where the server can be reached.</summary>
    /// <param name="server">Where it listens.</param>
    /// <param name="bind">As the command line says; null where it listens at <paramref name="host"/>.</param>
    /// <param name="host">What others call this machine: it stands for an address that means all.</param>
    /// <param name="token">What a reader must hold; null for nothing.</param>
    public static Uri Of(Uri server, string? bind, string host, ReaderToken? token = null)
    {
        var address = new UriBuilder(server);
        if (IPAddress.TryParse(bind, out var given) && (given.Equals(IPAddress.Any) || given.Equals(IPAddress.IPv6Any))) address.Host = host;
        if (token is not null) address.Query = $"{ReaderToken.Parameter}={token}";
        return address.Uri;
    }
}
