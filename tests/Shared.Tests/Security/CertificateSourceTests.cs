using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

/// <summary>Certificates renewed at run time are loaded if they are valid, and ignored if not.</summary>
public sealed class CertificateSourceTests : IDisposable
{
    private readonly CertificateFolders _folders = new();
    private readonly LogLines _log = new();

    public void Dispose() => _folders.Dispose();

    [Fact]
    public void A_renewed_certificate_is_loaded_and_the_former_one_stays_usable()
    {
        using var source = _folders.Source();
        var former = source.Current;
        Reload(source);
        Assert.Same(former, source.Current);
        Assert.Empty(_log.Lines);
        Renew(source, _folders.Issue());
        Reload(source);
        Assert.NotEqual(former.Own.Thumbprint, source.Current.Own.Thumbprint);
        using (var key = former.Own.GetECDsaPrivateKey()) Assert.NotNull(key);
        Assert.StartsWith(
            $"Information: The certificates in '{former.Folder}' are new", Assert.Single(_log.Lines), StringComparison.Ordinal);
        Reload(source);
        Assert.Single(_log.Lines);
    }

    [Fact]
    public void A_mounted_secret_is_renewed_by_changing_a_link_target()
    {
        var folder = _folders.Write(null, null, null);
        foreach (var name in (string[])["ca.crt", "tls.crt", "tls.key"])
            File.CreateSymbolicLink(Path.Combine(folder, name), Path.Combine("..data", name));
        var data = Path.Combine(folder, "..data");
        File.CreateSymbolicLink(data, _folders.Write());
        using var source = CertificateSource.Open(folder, "localhost", CertificateFolders.Now);
        var former = source.Current;
        Directory.Delete(data);
        File.CreateSymbolicLink(data, _folders.Write());
        Reload(source);
        Assert.NotEqual(former.Own.Thumbprint, source.Current.Own.Thumbprint);
    }

    public static TheoryData<string, string> Faults() => new()
    {
        { "incomplete", "tls.crt' cannot be read as certificates in PEM: " },
        { "empty", "tls.crt' holds no certificate in PEM" },
        { "without its key", "tls.key' is not the private key of '" },
        { "of another authority", "tls.crt' is not signed by an authority of '" },
        { "expired", "tls.crt' has expired: it was valid until " },
        { "of another name", "tls.crt' does not have the name localhost that others would connect to, but elsewhere.example" },
        { "gone", "tls.crt' does not exist" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Invalid_certificates_are_logged_once_and_replace_nothing(string fault, string reason)
    {
        using var source = _folders.Source();
        var former = source.Current;
        Break(fault, Path.Combine(former.Folder, NodeCertificates.CertificateFile), source);
        for (var i = 0; i < 3; i++) Reload(source);
        Assert.Same(former, source.Current);
        var line = Assert.Single(_log.Lines);
        Assert.StartsWith(
            $"Warning: Changed certificates in '{former.Folder}' are rejected; the former ones stay in use and expire at ",
            line,
            StringComparison.Ordinal);
        Assert.Contains(reason, line, StringComparison.Ordinal);
        Renew(source, _folders.Issue());
        Reload(source);
        Assert.NotSame(former, source.Current);
        Assert.Equal(2, _log.Lines.Count);
    }

    [Fact]
    public void Each_invalid_change_is_logged()
    {
        using var source = _folders.Source();
        foreach (var text in (string[])["one", "two", "two", "one"])
        {
            Renew(source, new(text, text));
            Reload(source);
        }
        Assert.Equal(3, _log.Lines.Count);
    }

    [Fact]
    public void A_certificate_is_loaded_once_it_becomes_valid()
    {
        using var source = _folders.Source();
        Renew(source, _folders.Issue(from: CertificateFolders.Now.AddMinutes(1), until: CertificateFolders.Now.AddDays(9)));
        var former = source.Current;
        Reload(source);
        Assert.Same(former, source.Current);
        source.Reload(CertificateFolders.Now.AddMinutes(2), _log);
        Assert.Equal(CertificateFolders.Now.AddDays(9), source.Current.ExpiresAt, TimeSpan.FromSeconds(1));
        Assert.Equal(2, _log.Lines.Count);
    }

    [Theory]
    [InlineData(3, 2, 1)]
    [InlineData(3, 1, 2)]
    [InlineData(1, 2, 3)]
    public void The_earliest_expiry_of_the_chain_counts(int authority, int intermediate, int own)
    {
        using var certificates = NodeCertificates.Load(WriteChain(authority, intermediate, own), CertificateFolders.Now);
        Assert.Equal(CertificateFolders.Now.AddDays(1), certificates.ExpiresAt, TimeSpan.FromSeconds(1));
    }

    private void Reload(CertificateSource source) => source.Reload(CertificateFolders.Now, _log);

    private static void Renew(CertificateSource source, IssuedCertificate issued) =>
        CertificateFolders.Overwrite(source.Current.Folder, null, issued.Certificate, issued.Key);

    private void Break(string fault, string file, CertificateSource source)
    {
        switch (fault)
        {
            case "incomplete":
                File.WriteAllText(file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
                break;
            case "empty":
                File.WriteAllText(file, "");
                break;
            case "without its key":
                File.WriteAllText(file, _folders.Issue().Certificate);
                break;
            case "of another authority":
                Renew(source, _folders.Issue(_folders.NewAuthority()));
                break;
            case "expired":
                Renew(source, _folders.Issue(until: CertificateFolders.Now.AddHours(-1)));
                break;
            case "of another name":
                Renew(source, _folders.Issue(hosts: ["elsewhere.example"]));
                break;
            default:
                File.Delete(file);
                break;
        }
    }

    /// <summary>The days after which each certificate expires.</summary>
    private string WriteChain(int authority, int intermediate, int own)
    {
        using ECDsa rootKey = ECDsa.Create(), middleKey = ECDsa.Create(), key = ECDsa.Create();
        using var root = Issue("CN=root", rootKey, "CN=root", rootKey, isAuthority: true, authority);
        using var middle = Issue("CN=middle", middleKey, "CN=root", rootKey, isAuthority: true, intermediate);
        using var leaf = Issue("CN=leaf", key, "CN=middle", middleKey, isAuthority: false, own);
        return _folders.Write(
            root.ExportCertificatePem(),
            leaf.ExportCertificatePem() + "\n" + middle.ExportCertificatePem(),
            key.ExportPkcs8PrivateKeyPem());

        static X509Certificate2 Issue(string name, ECDsa key, string issuer, ECDsa issuerKey, bool isAuthority, int days)
        {
            var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
            return request.Create(
                new(issuer),
                X509SignatureGenerator.CreateForECDsa(issuerKey),
                CertificateFolders.Now.AddDays(-1),
                CertificateFolders.Now.AddDays(days),
                RandomNumberGenerator.GetBytes(8));
        }
    }
}
