using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Security;

/// <summary>A certificate and its private key (P-256), both in PEM; the key as PKCS #8, not encrypted.</summary>
internal sealed record IssuedCertificate(string Certificate, string Key);

/// <summary>Signs the certificates of one cluster. The private key is never stored, so it signs none after the process exits.</summary>
internal sealed partial class CertificateAuthority : IDisposable
{
    private const int SerialBytes = 16;

    private readonly X509Certificate2 _certificate;

    private CertificateAuthority(X509Certificate2 certificate) => _certificate = certificate;

    public static CertificateAuthority Create(DateTimeOffset from, DateTimeOffset until)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Authorities follow each other, so each needs a unique name.
        var name = $"CN=Distributed cluster {Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}";
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        var extensions = request.CertificateExtensions;
        extensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority(pathLengthConstraint: 0));
        extensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        extensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new(request.CreateSelfSigned(from, until));
    }

    public string Pem => _certificate.ExportCertificatePem();

    /// <summary>Whether a text is an IP address or a DNS name, whose first part may be '*'.</summary>
    public static bool IsName(string host) => IPAddress.TryParse(host, out _) || (host.Length <= 253 && DnsName().IsMatch(host));

    /// <summary>Signs a new certificate for both ends of connections. Its time must lie within that of the authority.</summary>
    /// <param name="hosts">Its names: see <see cref="IsName"/>.</param>
    /// <param name="purposes">Extended key usages; by default server and client.</param>
    public IssuedCertificate Issue(
        IEnumerable<string> hosts, DateTimeOffset from, DateTimeOffset until, params IReadOnlyList<string> purposes)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Distributed node", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts.Distinct(StringComparer.OrdinalIgnoreCase))
        {
            if (!IsName(host)) throw new ArgumentException($"'{host}' is neither a DNS name nor an IP address", nameof(hosts));
            if (IPAddress.TryParse(host, out var address)) names.AddIpAddress(address);
            else names.AddDnsName(host);
        }
        if (purposes.Count == 0) purposes = [NodeCertificates.ServerPurpose, NodeCertificates.ClientPurpose];
        var extensions = request.CertificateExtensions;
        extensions.Add(X509BasicConstraintsExtension.CreateForEndEntity(critical: true));
        extensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        extensions.Add(new X509EnhancedKeyUsageExtension([.. purposes.Select(purpose => new Oid(purpose))], critical: false));
        extensions.Add(names.Build());
        extensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(
            _certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        using var certificate = request.Create(_certificate, from, until, RandomNumberGenerator.GetBytes(SerialBytes));
        return new(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    public void Dispose() => _certificate.Dispose();

    [GeneratedRegex(@"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\z")]
    private static partial Regex DnsName();
}
