using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

/// <summary>Folders with certificates, deleted after the test.</summary>
internal sealed class CertificateFolders : IDisposable
{
    public static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    private readonly string _path = Directory.CreateTempSubdirectory("distributed-").FullName;
    private readonly List<IDisposable> _owned = [];
    private int _count;

    public CertificateFolders() => Authority = NewAuthority();

    /// <summary>The authority that nodes trust by default.</summary>
    public CertificateAuthority Authority { get; }

    public CertificateAuthority NewAuthority(DateTimeOffset? from = null, DateTimeOffset? until = null)
    {
        var authority = CertificateAuthority.Create(from ?? Now.AddYears(-2), until ?? Now.AddYears(2));
        _owned.Add(authority);
        return authority;
    }

    /// <summary>A certificate of localhost, valid now.</summary>
    public IssuedCertificate Issue(
        CertificateAuthority? by = null, string[]? hosts = null, DateTimeOffset? from = null, DateTimeOffset? until = null,
        params string[] purposes) =>
        (by ?? Authority).Issue(hosts ?? ["localhost", "127.0.0.1"], from ?? Now.AddDays(-1), until ?? Now.AddDays(1), purposes);

    /// <summary>A folder with the given files.</summary>
    public string Write(string? authority, string? certificate, string? key)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_path, $"{_count++}")).FullName;
        Overwrite(folder, authority, certificate, key);
        return folder;
    }

    /// <summary>Replaces the given files.</summary>
    public static void Overwrite(string folder, string? authority, string? certificate, string? key)
    {
        (string, string?)[] files =
            [(NodeCertificates.AuthorityFile, authority), (NodeCertificates.CertificateFile, certificate), (NodeCertificates.KeyFile, key)];
        foreach (var (name, text) in files)
            if (text is not null) File.WriteAllText(Path.Combine(folder, name), text);
    }

    /// <summary>A folder with a certificate signed by <see cref="Authority"/>.</summary>
    public string Write(IssuedCertificate? issued = null)
    {
        issued ??= Issue();
        return Write(Authority.Pem, issued.Certificate, issued.Key);
    }

    /// <summary>Certificates that were valid at <paramref name="at"/>, or that others should refuse.</summary>
    public NodeCertificates Load(IssuedCertificate? issued = null, CertificateAuthority? believes = null, DateTimeOffset? at = null)
    {
        issued ??= Issue();
        var certificates = NodeCertificates.Load(Write((believes ?? Authority).Pem, issued.Certificate, issued.Key), at ?? Now);
        _owned.Add(certificates);
        return certificates;
    }

    /// <summary>The same as a source, which loads renewed ones from their folder.</summary>
    public CertificateSource Source(IssuedCertificate? issued = null, CertificateAuthority? believes = null) =>
        new(Load(issued, believes), "localhost");

    public void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
        Directory.Delete(_path, recursive: true);
    }
}
