using System.Net.Security;
using System.Security.Cryptography;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

public sealed class NodeCertificatesTests : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private readonly CertificateFolders _folders = new();

    public void Dispose() => _folders.Dispose();

    [Fact]
    public void A_signed_certificate_is_accepted_for_its_names() =>
        Gen.OneOfConst("trainer.example", "192.0.2.7", "2001:db8::7", "*.workers.mine.svc.cluster.local", "worker-3").Array[1, 4]
            .Sample(hosts =>
            {
                var certificates = _folders.Load(_folders.Issue(hosts: hosts));
                Assert.Equal(hosts.Distinct().Order(), NodeCertificates.NamesOf(certificates.Own).Order());
                foreach (var host in hosts) certificates.RequireName(host.Replace("*", "worker-0", StringComparison.Ordinal));
                Assert.Throws<CertificateException>(() => certificates.RequireName("elsewhere.example"));
                foreach (var isServer in (bool[])[true, false])
                    Assert.Null(_folders.Load().Validate(certificates.Own, null, SslPolicyErrors.None, isServer));
            }, iter: 10, threads: 1);

    [Fact]
    public void Each_of_several_authorities_is_trusted()
    {
        using var next = _folders.NewAuthority();
        var issued = _folders.Issue(next);
        using var both = NodeCertificates.Load(
            _folders.Write(_folders.Authority.Pem + "\n" + next.Pem, issued.Certificate, issued.Key),
            CertificateFolders.Now);
        Assert.Equal(2, both.Authorities.Count);
        foreach (var shown in new[] { both.Own, _folders.Load().Own })
            Assert.Null(both.Validate(shown, null, SslPolicyErrors.None, isServer: false));
        Assert.Equal(Refusal.Untrusted, _folders.Load().Validate(both.Own, null, SslPolicyErrors.None, isServer: false));
    }

    [Fact]
    public void A_missing_untrusted_expired_or_misnamed_certificate_is_refused_with_the_reason()
    {
        var certificates = _folders.Load();
        var stranger = _folders.NewAuthority();
        Assert.Equal(Refusal.Anonymous, certificates.Validate(null, null, SslPolicyErrors.None, isServer: false));
        Assert.Equal(
            Refusal.Untrusted,
            certificates.Validate(_folders.Load(_folders.Issue(stranger), stranger).Own, null, SslPolicyErrors.None, isServer: false));
        var (past, then) = (CertificateFolders.Now.AddDays(-3), CertificateFolders.Now.AddDays(-2));
        Assert.Equal(
            Refusal.Expired,
            certificates.Validate(
                _folders.Load(_folders.Issue(from: past, until: then), at: past.AddHours(1)).Own,
                null,
                SslPolicyErrors.None,
                isServer: true));
        Assert.Equal(
            Refusal.Name,
            certificates.Validate(certificates.Own, null, SslPolicyErrors.RemoteCertificateNameMismatch, isServer: true));
        Assert.Equal(
            Refusal.Untrusted,
            certificates.Validate(
                _folders.Load(_folders.Issue(stranger), stranger).Own,
                null,
                SslPolicyErrors.RemoteCertificateNameMismatch,
                isServer: true));
    }

    public static TheoryData<string> Faults() =>
    [
        "missing", "no folder", "large", "no pem", "empty", "other key", "no key", "encrypted", "expired", "early", "other authority",
        "server alone",
    ];

    [Theory]
    [MemberData(nameof(Faults))]
    public void Errors_name_the_file_and_what_it_should_hold(string fault)
    {
        var (now, good) = (CertificateFolders.Now, _folders.Issue());
        var ca = _folders.Authority.Pem;
        var (folder, expected) = fault switch
        {
            "missing" => (
                _folders.Write(ca, good.Certificate, null),
                "tls.key' does not exist. --certs names a folder with ca.crt, tls.crt and tls.key"),
            "no folder" => ("/no/such/folder", "ca.crt' does not exist. --certs names a folder with ca.crt, tls.crt and tls.key"),
            "large" => (
                _folders.Write(new string('-', NodeCertificates.MaxBytes + 1), good.Certificate, good.Key),
                "ca.crt' has 1048577 bytes; allowed: 1048576"),
            "no pem" => (
                _folders.Write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", good.Certificate, good.Key),
                "ca.crt' cannot be read as certificates in PEM: "),
            "empty" => (_folders.Write(ca, "", good.Key), "tls.crt' holds no certificate in PEM"),
            "other key" => (_folders.Write(ca, good.Certificate, _folders.Issue().Key), "tls.key' is not the private key of '"),
            "no key" => (_folders.Write(ca, good.Certificate, good.Certificate), "tls.key' is not the private key of '"),
            "encrypted" => (_folders.Write(ca, good.Certificate, Encrypted()), "tls.key' is not the private key of '"),
            "expired" => (_folders.Write(_folders.Issue(until: now.AddHours(-1))), "tls.crt' has expired: it was valid until "),
            "early" => (_folders.Write(_folders.Issue(from: now.AddHours(1))), "tls.crt' is not valid before "),
            "other authority" => (_folders.Write(_folders.Issue(_folders.NewAuthority())), "tls.crt' is not signed by an authority of '"),
            _ => (
                _folders.Write(_folders.Issue(null, null, null, null, ServerAuthentication)),
                "tls.crt' is not for the client end of a connection: its extended key usages must be both "),
        };
        Assert.Contains(
            expected, Assert.Throws<CertificateException>(() => NodeCertificates.Load(folder, now)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_name_is_reported_with_the_names_of_the_certificate() =>
        Assert.EndsWith(
            "tls.crt' does not have the name 192.0.2.1 that others would connect to, but localhost, 127.0.0.1. "
            + "Give --host a name that it has, or make a certificate with this one",
            Assert.Throws<CertificateException>(() => _folders.Load().RequireName("192.0.2.1")).Message, StringComparison.Ordinal);

    [Fact]
    public void Host_names_are_checked_before_a_certificate_is_issued()
    {
        Assert.All(
            (string[])["a", "10.0.0.1", "::1", "*.a.b", "worker-1", "my_host", new string('a', 63)],
            name => Assert.True(CertificateAuthority.IsName(name), name));
        var tooLong = string.Join('.', Enumerable.Repeat("aaaa", 60));
        Assert.All((string[])["", "*", "a b", "a.*.b", "a..b", "-a", "a-", "a/b", new string('a', 64), tooLong, "a\n"],
            name => Assert.False(CertificateAuthority.IsName(name), name));
    }

    private static string Encrypted()
    {
        using var key = ECDsa.Create();
        return key.ExportEncryptedPkcs8PrivateKeyPem("secret", new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
    }
}
