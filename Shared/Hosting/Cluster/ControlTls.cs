using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Remote.Hosting;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Cluster;

/// <summary>
/// TLS between the actor systems of a cluster, and what becomes of whoever does not take part in it. Akka.Remote takes one certificate for as
/// long as a system lives, so what this shows is what was newest when it was made; whom it believes is asked anew for each connection.
/// </summary>
/// <param name="certificates">What is there; the newest ones are shown.</param>
internal sealed class ControlTls(CertificateSource certificates)
{
    private readonly NodeCertificates _shown = certificates.Current;

    /// <summary>The newest ones, of both planes.</summary>
    public CertificateSource Certificates => certificates;

    /// <summary>When the first certificate that is in use expires, on either plane.</summary>
    public DateTimeOffset ExpiresAt => new[] { _shown.ExpiresAt, certificates.Current.ExpiresAt }.Min();

    /// <summary>Both ends show a certificate, and believe no other authority than their own.</summary>
    internal SslOptions Options(ControlMetrics? metrics) => new()
    {
        X509Certificate = _shown.Own,
        SuppressValidation = false,
        RequireMutualAuthentication = true,
        ValidateCertificateHostname = true,
        // Akka's own validation asks the system whom to believe.
        CustomValidator = (certificate, chain, peer, errors, _) => IsBelieved(metrics, certificate, chain, peer, errors),
    };

    private bool IsBelieved(ControlMetrics? metrics, X509Certificate2? certificate, X509Chain? chain, string peer, SslPolicyErrors errors)
    {
        // Whom this process connects to, Akka names by its address; whoever connects to it, by the socket's.
        var isServer = ActorPath.TryParseAddress(peer, out _);
        if (certificates.Current.Validate(certificate, chain, errors, isServer) is not { } refusal) return true;
        metrics?.ConnectionRefused(refusal);
        return false;
    }
}
