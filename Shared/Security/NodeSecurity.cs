using System.Net;
using System.Net.Sockets;

namespace Distributed.Shared.Security;

/// <summary>What the command line says of protection.</summary>
/// <param name="Folder">--certs: folder with certificates.</param>
/// <param name="IsInsecure">--insecure: whether to listen for other machines without any.</param>
public sealed record SecurityArguments(string? Folder = null, bool IsInsecure = false)
{
    /// <summary>The same, as arguments of another program.</summary>
    public IReadOnlyList<string> ToArguments() => Folder is { } folder ? ["--certs", Path.GetFullPath(folder)] : IsInsecure ? ["--insecure"] : [];
}

/// <summary>How a process keeps strangers out: with certificates, or by listening where no other machine can connect.</summary>
public sealed class NodeSecurity : IDisposable
{
    private NodeSecurity(CertificateSource? certificates, string? warning) => (Certificates, Warning) = (certificates, warning);

    /// <summary>What both planes are encrypted and authenticated with; null for plain connections.</summary>
    public CertificateSource? Certificates { get; }

    /// <summary>What the user should be told again; null for nothing.</summary>
    public string? Warning { get; }

    /// <summary>Reads the certificates, or makes sure that it goes without.</summary>
    /// <param name="host">Where others connect to the process.</param>
    /// <param name="bind">Where it listens, if that is not there.</param>
    /// <param name="arguments">What the command line says.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="CertificateException">The certificates are no good, or there are none where other machines could connect.</exception>
    public static async Task<NodeSecurity> OpenAsync(string host, string? bind, SecurityArguments arguments, CancellationToken cancellation = default)
    {
        if (arguments is { Folder: not null, IsInsecure: true })
            throw new CertificateException("--certs protects the connections and --insecure does without: give one of the two");
        if (arguments.Folder is not { } folder)
        {
            var open = bind is not null && !await IsLoopbackAsync(bind, cancellation).ConfigureAwait(false) ? bind
                : await IsLoopbackAsync(host, cancellation).ConfigureAwait(false) ? null : host;
            if (open is not null && !arguments.IsInsecure) throw new CertificateException(Exposed(open, host));
            return new(null, open is not null ? $"--insecure: connections at {open} are neither encrypted nor authenticated; whoever can reach it can take part, read and change what is trained" : null);
        }
        return new(CertificateSource.Open(folder, host, DateTimeOffset.UtcNow), null);
    }

    /// <inheritdoc/>
    public void Dispose() => Certificates?.Dispose();

    private static string Exposed(string open, string host) =>
        $"{open} can be reached from other machines, and without certificates whoever reaches it could take part. "
        + $"Give --certs DIR (made by the coordinator's 'certs init DIR --host {host}'), or --insecure where you trust everybody on the network";

    private static async Task<bool> IsLoopbackAsync(string host, CancellationToken cancellation)
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
