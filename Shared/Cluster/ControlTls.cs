using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Remote.Hosting;
using Distributed.Shared.Security;

namespace Distributed.Shared.Cluster;

/// <summary>TLS between the actor systems of a cluster, and what becomes of whoever does not take part in it.</summary>
internal static class ControlTls
{
    /// <summary>Both ends show a certificate, and believe no other authority than their own.</summary>
    public static SslOptions Options(NodeCertificates certificates, RefusedAssociations refused) => new()
    {
        X509Certificate = certificates.Own,
        SuppressValidation = false,
        RequireMutualAuthentication = true,
        ValidateCertificateHostname = true,
        // Akka's own validation asks the system whom to believe.
        CustomValidator = (certificate, chain, peer, errors, _) => IsBelieved(certificates, refused, certificate, chain, peer, errors),
    };

    private static bool IsBelieved(
        NodeCertificates certificates, RefusedAssociations refused, X509Certificate2? certificate, X509Chain? chain, string peer, SslPolicyErrors errors)
    {
        // Whom this process connects to, Akka names by its address; whoever connects to it, by the socket's.
        var isServer = ActorPath.TryParseAddress(peer, out _);
        if (certificates.Judge(certificate, chain, errors, isServer) is not { } refusal) return true;
        refused.Refuse(peer, refusal);
        return false;
    }
}
