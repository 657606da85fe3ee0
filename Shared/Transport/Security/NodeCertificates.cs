using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Distributed.Transport.Security;

/// <summary>
/// What a process proves itself with, and whom it believes: the authorities of its own ca.crt, and nobody that the system trusts.
/// It stays what it was when it was read; <see cref="CertificateSource"/> knows of newer ones.
/// </summary>
internal sealed class NodeCertificates : IDisposable
{
    /// <summary>Names of the files, as in a secret of the type kubernetes.io/tls.</summary>
    public const string AuthorityFile = "ca.crt", CertificateFile = "tls.crt", KeyFile = "tls.key";

    /// <summary>Bytes that a file may have.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Extended key usages (RFC 5280, section 4.2.1.12): every node connects to others, and others to it.</summary>
    internal const string ServerPurpose = "1.3.6.1.5.5.7.3.1", ClientPurpose = "1.3.6.1.5.5.7.3.2";

    private readonly X509Certificate2Collection _authorities;
    private readonly X509Certificate2Collection _intermediates;
    private readonly SslStreamCertificateContext _context;

    private NodeCertificates(CertificateFiles files, X509Certificate2Collection authorities, X509Certificate2 own, X509Certificate2Collection intermediates)
    {
        (Folder, Digest, _authorities, Own, _intermediates) = (files.Folder, files.Digest, authorities, own, intermediates);
        _context = SslStreamCertificateContext.Create(own, intermediates, offline: true);
    }

    /// <summary>Where they were read.</summary>
    public string Folder { get; }

    /// <summary>What this process shows, with its private key.</summary>
    public X509Certificate2 Own { get; }

    /// <summary>When the first certificate of its chain expires, from its own to the authority's: from then on it makes no connection.</summary>
    public DateTimeOffset ExpiresAt { get; private set; }

    public IReadOnlyList<X509Certificate2> Authorities => [.. _authorities];

    internal string Digest { get; }

    /// <summary>Reads the three files and checks that others who have the same ca.crt will believe them.</summary>
    /// <param name="folder">Holds <see cref="AuthorityFile"/>, <see cref="CertificateFile"/> and <see cref="KeyFile"/>.</param>
    /// <param name="now">When they have to be valid.</param>
    /// <exception cref="CertificateException">A file is missing, or something about them is wrong.</exception>
    public static NodeCertificates Load(string folder, DateTimeOffset now) => Of(CertificateFiles.Read(folder), now);

    internal static NodeCertificates Of(CertificateFiles files, DateTimeOffset now)
    {
        var authorities = Parsed(files.Authority, files.PathOf(AuthorityFile));
        var chain = Parsed(files.Certificate, files.PathOf(CertificateFile));
        var certificates = new NodeCertificates(files, authorities, WithKey(files, chain[0]), [.. chain.Skip(1)]);
        try
        {
            certificates.ExpiresAt = certificates.Checked(now);
            return certificates;
        }
        catch
        {
            certificates.Dispose();
            throw;
        }
    }

    /// <summary>Requires that others can connect to this process by a name.</summary>
    /// <param name="host">A DNS name or an IP address.</param>
    /// <exception cref="CertificateException">The certificate does not have it.</exception>
    public void RequireName(string host)
    {
        if (!Own.MatchesHostname(host))
            throw new CertificateException($"'{PathOf(CertificateFile)}' does not have the name {host} that others would connect to, but {string.Join(", ", NamesOf(Own))}. "
                + "Give --host a name that it has, or make a certificate with this one");
    }

    public static IReadOnlyList<string> NamesOf(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is not { } names ? []
        : [.. names.EnumerateDnsNames(), .. names.EnumerateIPAddresses().Select(address => $"{address}")];

    /// <summary>Whether a certificate that the other end of a connection shows is believed.</summary>
    /// <param name="certificate">What it shows, if anything.</param>
    /// <param name="errors">What <see cref="SslStream"/> says of it; only the name counts here.</param>
    /// <param name="isServer">Whether the other end is the one that was connected to.</param>
    /// <returns>Why not; null if it is.</returns>
    public Refusal? Validate(X509Certificate2? certificate, X509Chain? presented, SslPolicyErrors errors, bool isServer)
    {
        if (certificate is null) return Refusal.Anonymous;
        using var chain = NewChain(isServer ? ServerPurpose : ClientPurpose);
        if (presented is not null) chain.ChainPolicy.ExtraStore.AddRange(presented.ChainPolicy.ExtraStore);
        if (!chain.Build(certificate))
            return chain.ChainStatus.All(status => status.Status == X509ChainStatusFlags.NotTimeValid) ? Refusal.Expired : Refusal.Untrusted;
        return errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) ? Refusal.Name : null;
    }

    /// <summary>For the end of a connection that accepts it.</summary>
    /// <param name="refused">Is told why, if the other end is not believed.</param>
    internal SslServerAuthenticationOptions ServerOptions(Action<Refusal> refused) => new()
    {
        ServerCertificateContext = _context,
        ClientCertificateRequired = true,
        EnabledSslProtocols = Protocols,
        // Each connection shows its certificate.
        AllowTlsResume = false,
        AllowRenegotiation = false,
        CertificateChainPolicy = NewPolicy(ClientPurpose),
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsBelieved(certificate, chain, errors, isServer: false, refused),
    };

    /// <summary>For the end of a connection that makes it.</summary>
    /// <param name="refused">Is told why, if the other end is not believed.</param>
    internal SslClientAuthenticationOptions ClientOptions(string host, Action<Refusal> refused) => new()
    {
        TargetHost = host,
        ClientCertificateContext = _context,
        EnabledSslProtocols = Protocols,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        CertificateChainPolicy = NewPolicy(ServerPurpose),
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsBelieved(certificate, chain, errors, isServer: true, refused),
    };

    public void Dispose()
    {
        Own.Dispose();
        foreach (var certificate in (X509Certificate2[])[.. _authorities, .. _intermediates]) certificate.Dispose();
    }

    private const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;

    private bool IsBelieved(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, bool isServer, Action<Refusal> refused)
    {
        if (Validate((X509Certificate2?)certificate, chain, errors, isServer) is not { } refusal) return true;
        refused(refusal);
        return false;
    }

    /// <returns>When the first certificate of the chain expires.</returns>
    private DateTimeOffset Checked(DateTimeOffset now)
    {
        var path = PathOf(CertificateFile);
        DateTimeOffset expires = Own.NotAfter;
        if (now < Own.NotBefore) throw new CertificateException($"'{path}' is not valid before {Own.NotBefore.ToUniversalTime():u}; now it is {now.UtcDateTime:u}");
        if (now > Own.NotAfter) throw new CertificateException($"'{path}' has expired: it was valid until {Own.NotAfter.ToUniversalTime():u}; now it is {now.UtcDateTime:u}. Put a new one in its place");
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
                X509ChainStatusFlags.NotValidForUsage => $"'{path}' is not for the {name} end of a connection: its extended key usages must be both 'server auth' and 'client auth', or left out",
                X509ChainStatusFlags.NotTimeValid => $"'{path}' is signed by an authority that is not valid now: {string.Join(", ", _authorities.Select(a => $"{a.Subject}, {a.NotBefore.ToUniversalTime():u} to {a.NotAfter.ToUniversalTime():u}"))}",
                _ => $"'{path}' is not signed by an authority of '{PathOf(AuthorityFile)}': it names {Own.Issuer} as its issuer ({string.Join(", ", chain.ChainStatus.Select(status => status.Status))})",
            });
        }
        return expires;
    }

    private X509Chain NewChain(string purpose) => new() { ChainPolicy = NewPolicy(purpose) };

    private X509ChainPolicy NewPolicy(string purpose)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // A certificate that a stranger shows names the address.
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
            throw new CertificateException($"'{files.PathOf(KeyFile)}' is not the private key of '{files.PathOf(CertificateFile)}' in PEM, without a password: {error.Message}", error);
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
