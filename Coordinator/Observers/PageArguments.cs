using System.Net;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Status;

namespace Distributed.Coordinator.Observers;

/// <summary>Where the command line wants metrics and page to be served.</summary>
internal sealed record PageArguments
{
    public string? MetricsBind { get; init; }
    public string? Bind { get; init; }
    public int Port { get; init; }
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Changes the addresses of a run that continues. Its page keeps its port, since browsers have it open.</summary>
    public RunState ApplyTo(RunState begun) => begun with
    {
        MetricsBind = MetricsBind ?? begun.MetricsBind,
        PageBind = Bind ?? begun.PageBind,
        AllowedHosts = AllowedHosts.Count > 0 ? AllowedHosts : begun.AllowedHosts,
    };
}

internal static class PageAddress
{
    public const string Default = "127.0.0.1"; // Loopback: no other machine reaches the page

    /// <summary>The address to print: one that works from wherever the server can be reached.</summary>
    /// <param name="bind">As on the command line; null for <paramref name="host"/>.</param>
    /// <param name="host">Name of this machine, which replaces a wildcard address.</param>
    public static Uri Of(Uri server, string? bind, string host, ReaderToken? token = null)
    {
        var address = new UriBuilder(server);
        if (IPAddress.TryParse(bind, out var given) && (given.Equals(IPAddress.Any) || given.Equals(IPAddress.IPv6Any)))
            address.Host = host;
        if (token is not null) address.Query = $"{ReaderToken.Parameter}={token}";
        return address.Uri;
    }
}
