using System.Net;

namespace Distributed.Hosting.Status;

/// <summary>
/// The names under which a server answers: those of loopback, the machine's own, the address that a connection has come to, and what it was told. A
/// page of another site that has a name of its own resolved to this machine (DNS rebinding) asks under that name, and is refused. Immutable.
/// </summary>
internal sealed class HostNames
{
    private readonly HashSet<string> _names;

    /// <param name="names">Without ports; null and empty ones are left out.</param>
    public HostNames(params IEnumerable<string?> names) =>
        _names = new(names.Where(name => !string.IsNullOrEmpty(name)).Select(name => Normalized(name!)).Concat(["localhost", Environment.MachineName]), StringComparer.OrdinalIgnoreCase);

    /// <summary>All of them but the addresses, for people.</summary>
    public IEnumerable<string> Names => _names.Order(StringComparer.Ordinal);

    /// <param name="host">The header Host without its port; empty where an old client sends none, which no browser does.</param>
    /// <param name="local">The address that the connection has come to.</param>
    public bool Allows(string host, IPAddress? local)
    {
        if (host.Length == 0) return true;
        var name = Normalized(host);
        if (_names.Contains(name)) return true;
        return IPAddress.TryParse(name, out var address) && (IPAddress.IsLoopback(address) || (local is not null && Plain(address).Equals(Plain(local))));
    }

    private static string Normalized(string name)
    {
        var bare = name.Trim('[', ']').TrimEnd('.');
        return IPAddress.TryParse(bare, out var address) ? $"{Plain(address)}" : bare;
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
