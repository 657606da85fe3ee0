using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Security;

/// <summary>A certificate and its private key (P-256), both in PEM.</summary>
/// <param name="Key">PKCS #8, not encrypted: for whoever the certificate is of.</param>
internal sealed record IssuedCertificate(string Certificate, string Key);

/// <summary>Signs the certificates of one cluster. Its private key never leaves the process, so whom it has not signed before it is gone, nobody can.</summary>
internal sealed partial class CertificateAuthority : IDisposable
{
    private const int SerialBytes = 16;

    private readonly X509Certificate2 _certificate;

    private CertificateAuthority(X509Certificate2 certificate) => _certificate = certificate;

    /// <param name="from">Since when it is valid.</param>
    /// <param name="until">How long; after <paramref name="from"/>.</param>
    public static CertificateAuthority Create(DateTimeOffset from, DateTimeOffset until)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Authorities follow each other: the name alone must tell them apart.
        var request = new CertificateRequest($"CN=Distributed cluster {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new(request.CreateSelfSigned(from, until));
    }

    /// <summary>Its own certificate, in PEM.</summary>
    public string Pem => _certificate.ExportCertificatePem();

    /// <param name="host">A DNS name, the first part of which may be '*' for any one, or an IP address.</param>
    public static bool IsName(string host) => IPAddress.TryParse(host, out _) || (host.Length <= 253 && DnsName().IsMatch(host));

    /// <summary>Signs a new certificate for both ends of connections.</summary>
    /// <param name="hosts">Its names: see <see cref="IsName"/>.</param>
    /// <param name="from">Since when it is valid; not before the authority is.</param>
    /// <param name="until">How long; not longer than the authority.</param>
    /// <param name="purposes">Extended key usages other than both.</param>
    public IssuedCertificate Issue(IEnumerable<string> hosts, DateTimeOffset from, DateTimeOffset until, params IReadOnlyList<string> purposes)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Distributed node", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts.Distinct(StringComparer.OrdinalIgnoreCase))
        {
            if (!IsName(host)) throw new ArgumentException($"'{host}' is no DNS name and no IP address", nameof(hosts));
            if (IPAddress.TryParse(host, out var address)) names.AddIpAddress(address);
            else names.AddDnsName(host);
        }
        if (purposes.Count == 0) purposes = [NodeCertificates.ServerPurpose, NodeCertificates.ClientPurpose];
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. purposes.Select(purpose => new Oid(purpose))], critical: false));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        using var certificate = request.Create(_certificate, from, until, RandomNumberGenerator.GetBytes(SerialBytes));
        return new(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    public void Dispose() => _certificate.Dispose();

    [GeneratedRegex(@"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\z")]
    private static partial Regex DnsName();
}
