using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Remote.Hosting;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Security;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Distributed.Hosting.Cluster;

/// <summary>How the control plane authenticates its peers: in one of two ways.</summary>
internal abstract record ControlSecurity
{
    private ControlSecurity() { }

    internal abstract string Protocol { get; }

    internal sealed record Certificates(ControlTls Tls) : ControlSecurity
    {
        internal override string Protocol => "akka.ssl.tcp";
    }

    /// <param name="Untrusted">Called with an address that this process connected to and whose process does not have the token.</param>
    internal sealed record Token(JoinToken Join, RefusalLog? Log = null, Action<Address>? Untrusted = null) : ControlSecurity
    {
        internal override string Protocol => $"akka.{JoinTransport.Scheme}.tcp";
    }
}

/// <summary>TLS between the actor systems of a cluster. Akka.Remote takes one certificate for the lifetime of a system, so this presents
/// the newest one at the start; peers are validated against the newest authority.</summary>
internal sealed class ControlTls(CertificateSource certificates)
{
    private readonly NodeCertificates _shown = certificates.Current;

    public CertificateSource Certificates => certificates;

    /// <summary>When the first certificate in use expires, on either plane.</summary>
    public DateTimeOffset ExpiresAt => new[] { _shown.ExpiresAt, certificates.Current.ExpiresAt }.Min();

    internal SslOptions Options(ControlMetrics? metrics) => new()
    {
        X509Certificate = _shown.Own,
        SuppressValidation = false,
        RequireMutualAuthentication = true,
        ValidateCertificateHostname = true,
        // We validate certificates ourselves: Akka's validator trusts the operating system's roots.
        CustomValidator = (certificate, chain, peer, errors, _) => IsTrusted(metrics, certificate, chain, peer, errors),
    };

    private bool IsTrusted(ControlMetrics? metrics, X509Certificate2? certificate, X509Chain? chain, string peer, SslPolicyErrors errors)
    {
        // Akka passes an actor-system address for outbound peers and a socket address for inbound ones.
        var isServer = ActorPath.TryParseAddress(peer, out _);
        if (certificates.Current.Validate(certificate, chain, errors, isServer) is not { } refusal) return true;
        metrics?.ConnectionRefused(refusal);
        return false;
    }
}

/// <summary>Looks for new certificates while the node lives, and exports when the first one in use expires.</summary>
/// <param name="log">Reports new certificates, and those that cannot be used.</param>
internal sealed class CertificateRenewal(ControlTls tls, ControlMetrics? metrics, ILogger log, TimeProvider time)
    : IHostedService, IDisposable
{
    /// <summary>The files are small, and are usually renewed days ahead.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private ITimer? _timer;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Export();
        _timer = time.CreateTimer(_ => Look(), null, Interval, Interval);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        tls.Certificates.Reload(time.GetUtcNow(), log);
        Export();
    }

    private void Export() => metrics?.CertificateExpires(tls.ExpiresAt);
}
