using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Distributed.Transport.Security;

// The certificate of a process and the authorities that it trusts: those of its ca.crt only, not the operating system's roots. Immutable;
// CertificateSource provides renewed ones.
internal sealed class NodeCertificates : IDisposable
{
    // As in a secret of the type kubernetes.io/tls.
    public const string AuthorityFile = "ca.crt", CertificateFile = "tls.crt", KeyFile = "tls.key";

    public const int MaxBytes = 1 << 20;

    // Extended key usages (RFC 5280, section 4.2.1.12); every node both connects and accepts.
    internal const string ServerPurpose = "1.3.6.1.5.5.7.3.1", ClientPurpose = "1.3.6.1.5.5.7.3.2";

    private readonly X509Certificate2Collection _authorities;
    private readonly X509Certificate2Collection _intermediates;
    private readonly SslStreamCertificateContext _context;

    private NodeCertificates(
        CertificateFiles files, X509Certificate2Collection authorities, X509Certificate2 own, X509Certificate2Collection intermediates)
    {
        (Folder, Digest, _authorities, Own, _intermediates) = (files.Folder, files.Digest, authorities, own, intermediates);
        _context = SslStreamCertificateContext.Create(own, intermediates, offline: true);
    }

    public string Folder { get; }

    public X509Certificate2 Own { get; }

    /// <summary>When the first certificate of the chain expires; no connection succeeds afterwards.</summary>
    public DateTimeOffset ExpiresAt { get; private set; }

    public IReadOnlyList<X509Certificate2> Authorities => [.. _authorities];
    internal string Digest { get; }

    /// <summary>Reads the three files and checks that processes with the same ca.crt will accept the certificate.</summary>
    public static NodeCertificates Load(string folder, DateTimeOffset now) => Of(CertificateFiles.Read(folder), now);

    /// <param name="host">The name or address to which other processes connect, which the certificate must have.</param>
    internal static NodeCertificates Of(CertificateFiles files, DateTimeOffset now, string? host = null)
    {
        var authorities = Parsed(files.Authority, files.PathOf(AuthorityFile));
        var chain = Parsed(files.Certificate, files.PathOf(CertificateFile));
        var certificates = new NodeCertificates(files, authorities, WithKey(files, chain[0]), [.. chain.Skip(1)]);
        try
        {
            certificates.ExpiresAt = certificates.Checked(now);
            if (host is not null) certificates.RequireName(host);
            return certificates;
        }
        catch
        {
            certificates.Dispose();
            throw;
        }
    }

    public void RequireName(string host)
    {
        if (Own.MatchesHostname(host)) return;
        throw new CertificateException(
            $"'{PathOf(CertificateFile)}' does not have the name {host} that others would connect to, "
            + $"but {string.Join(", ", NamesOf(Own))}. Give --host a name that it has, or make a certificate with this one");
    }

    public static IReadOnlyList<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is not { } names
            ? []
            : [.. names.EnumerateDnsNames(), .. names.EnumerateIPAddresses().Select(address => $"{address}")];

    public Refusal? Validate(X509Certificate2? certificate, X509Chain? presented, SslPolicyErrors errors, bool isServer)
    {
        if (certificate is null) return Refusal.Anonymous;
        using var chain = NewChain(isServer ? ServerPurpose : ClientPurpose);
        if (presented is not null) chain.ChainPolicy.ExtraStore.AddRange(presented.ChainPolicy.ExtraStore);
        if (chain.Build(certificate)) return errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) ? Refusal.Name : null;
        var isExpired = chain.ChainStatus.All(status => status.Status == X509ChainStatusFlags.NotTimeValid);
        return isExpired ? Refusal.Expired : Refusal.Untrusted;
    }

    internal SslServerAuthenticationOptions ServerOptions(Action<Refusal> refused) => new()
    {
        ServerCertificateContext = _context,
        ClientCertificateRequired = true,
        EnabledSslProtocols = Protocols,
        // A resumed session would skip the certificate.
        AllowTlsResume = false,
        AllowRenegotiation = false,
        CertificateChainPolicy = NewPolicy(ClientPurpose),
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            IsValid(certificate, chain, errors, isServer: false, refused),
    };

    internal SslClientAuthenticationOptions ClientOptions(string host, Action<Refusal> refused) => new()
    {
        TargetHost = host,
        ClientCertificateContext = _context,
        EnabledSslProtocols = Protocols,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        CertificateChainPolicy = NewPolicy(ServerPurpose),
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            IsValid(certificate, chain, errors, isServer: true, refused),
    };

    public void Dispose()
    {
        Own.Dispose();
        foreach (var certificate in (X509Certificate2[])[.. _authorities, .. _intermediates]) certificate.Dispose();
    }

    private const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;

    private bool IsValid(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, bool isServer, Action<Refusal> refused)
    {
        if (Validate((X509Certificate2?)certificate, chain, errors, isServer) is not { } refusal) return true;
        refused(refusal);
        return false;
    }

    // Returns when the first certificate of the chain expires.
    private DateTimeOffset Checked(DateTimeOffset now)
    {
        var path = PathOf(CertificateFile);
        DateTimeOffset expires = Own.NotAfter;
        var fault = now < Own.NotBefore ? $"is not valid before {Own.NotBefore.ToUniversalTime():u}; now it is {now.UtcDateTime:u}"
            : now > Own.NotAfter ? $"has expired: it was valid until {Own.NotAfter.ToUniversalTime():u}; now it is {now.UtcDateTime:u}. "
                + "Put a new one in its place"
            : null;
        if (fault is not null) throw new CertificateException($"'{path}' {fault}");
        foreach (var (purpose, name) in new[] { (ServerPurpose, "server"), (ClientPurpose, "client") })
        {
            using var chain = NewChain(purpose);
            chain.ChainPolicy.VerificationTime = now.LocalDateTime;
            if (chain.Build(Own))
            {
                foreach (var element in chain.ChainElements)
                    if (element.Certificate.NotAfter < expires) expires = element.Certificate.NotAfter;
                continue;
            }
            var flags = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, status) => all | status.Status);
            throw new CertificateException(flags switch
            {
                X509ChainStatusFlags.NotValidForUsage =>
                    $"'{path}' is not for the {name} end of a connection: its extended key usages must be both 'server auth' and "
                    + "'client auth', or left out",
                X509ChainStatusFlags.NotTimeValid =>
                    $"'{path}' is signed by an authority that is not valid now: {string.Join(", ", _authorities.Select(Validity))}",
                _ => $"'{path}' is not signed by an authority of '{PathOf(AuthorityFile)}': it names {Own.Issuer} as its issuer "
                    + $"({string.Join(", ", chain.ChainStatus.Select(status => status.Status))})",
            });
        }
        return expires;
    }

    private static string Validity(X509Certificate2 certificate) =>
        $"{certificate.Subject}, {certificate.NotBefore.ToUniversalTime():u} to {certificate.NotAfter.ToUniversalTime():u}";

    private X509Chain NewChain(string purpose) => new() { ChainPolicy = NewPolicy(purpose) };

    private X509ChainPolicy NewPolicy(string purpose)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // The address would come from the certificate of an unknown process.
            DisableCertificateDownloads = true,
            ApplicationPolicy = { new Oid(purpose) },
        };
        policy.CustomTrustStore.AddRange(_authorities);
        policy.ExtraStore.AddRange(_intermediates);
        return policy;
    }

    private static X509Certificate2 WithKey(CertificateFiles files, X509Certificate2 certificate)
    {
        try
        {
            return X509Certificate2.CreateFromPem(certificate.ExportCertificatePem(), files.Key);
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            throw new CertificateException(
                $"'{files.PathOf(KeyFile)}' is not the private key of '{files.PathOf(CertificateFile)}' in PEM, without a password: "
                + error.Message,
                error);
        }
    }

    private static X509Certificate2Collection Parsed(string text, string path)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(text);
        }
        catch (CryptographicException error)
        {
            throw new CertificateException($"'{path}' cannot be read as certificates in PEM: {error.Message}", error);
        }
        return certificates.Count > 0 ? certificates : throw new CertificateException($"'{path}' holds no certificate in PEM");
    }

    private string PathOf(string name) => Path.Combine(Folder, name);
}
