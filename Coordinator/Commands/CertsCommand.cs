using System.CommandLine;
using System.Security.Cryptography.X509Certificates;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

internal static class CertsCommand
{
    private const int MaxDays = 3650;

    /// <summary>Certificates are backdated by this, for machines whose clocks are behind.</summary>
    private static readonly TimeSpan _leeway = TimeSpan.FromHours(1);

    public static Command Create()
    {
        var folder = Declare.Argument<string>("DIR", ArgumentArity.ExactlyOne, "Folder with ca.crt, tls.crt and tls.key.");
        var host = Declare.Many("--host",
            "Name or address of a node, such as 192.0.2.1, trainer.example or *.workers.mine.svc.cluster.local");
        host.AllowMultipleArgumentsPerToken = true;
        host.Validators.Add(result =>
        {
            foreach (var name in result.Tokens.Select(token => token.Value).Where(name => !CertificateAuthority.IsName(name)))
                result.AddError($"--host is '{name}'; allowed: a DNS name, *.NAME, or an IP address");
        });
        var days = Declare.Number("--days", 365, 1, MaxDays, "Days that the certificates are valid.");
        var init = Declare.Command("init",
            "Makes an authority and a certificate that all nodes of a cluster may share, for --certs. The authority's private key is "
            + "discarded. Example: certs init certs --host 192.0.2.1 --host 192.0.2.2",
            [folder, host, days],
            (parsed, _) => Show(parsed.GetRequiredValue(folder), path =>
                Create(path, parsed.GetValue(host) ?? [], parsed.GetValue(days), DateTimeOffset.UtcNow)));
        var show = Declare.Command("show",
            "Shows the subject, expiry and names of the certificates in a folder. Exit code 2: a certificate is invalid or expired.",
            [folder], (parsed, _) => Show(parsed.GetRequiredValue(folder), _ => { }));
        return new("certs", "Certificates for --certs, which encrypts both planes and authenticates all processes.") { init, show };
    }

    private static Task<int> Show(string folder, Action<string> create)
    {
        create(folder);
        using var certificates = NodeCertificates.Load(folder, DateTimeOffset.UtcNow);
        foreach (var authority in certificates.Authorities) Console.WriteLine($"{NodeCertificates.AuthorityFile}: {Summary(authority)}");
        var names = string.Join(", ", NodeCertificates.NamesOf(certificates.Own));
        Console.WriteLine($"{NodeCertificates.CertificateFile}: {Summary(certificates.Own)}, for {names}");
        return Task.FromResult(0);
    }

    private static string Summary(X509Certificate2 certificate) =>
        $"{certificate.Subject}, valid until {certificate.NotAfter.ToUniversalTime():u}";

    /// <summary>Writes the certificate of an authority, and a certificate with its key that all nodes may share.</summary>
    /// <param name="hosts">Names of the nodes besides localhost.</param>
    internal static void Create(string folder, IEnumerable<string> hosts, int days, DateTimeOffset now)
    {
        var (from, until) = (now - _leeway, now.AddDays(days));
        using var authority = CertificateAuthority.Create(from, until);
        var issued = authority.Issue(["localhost", "127.0.0.1", .. hosts], from, until);
        string PathOf(string name) => Path.Combine(folder, name);
        (string Path, string Text, bool IsSecret)[] files =
        [
            (PathOf(NodeCertificates.KeyFile), issued.Key, true), (PathOf(NodeCertificates.CertificateFile), issued.Certificate, false),
            (PathOf(NodeCertificates.AuthorityFile), authority.Pem, false),
        ];
        try
        {
            Directory.CreateDirectory(folder);
            if (files.FirstOrDefault(file => File.Exists(file.Path)).Path is { } existing)
                throw new CertificateException($"'{existing}' exists; nothing is overwritten. Name another folder");
            foreach (var file in files) Write(file.Path, file.Text, file.IsSecret);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CertificateException($"'{folder}' cannot be written to: {error.Message}", error);
        }
    }

    private static void Write(string path, string text, bool isSecret)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite
                | (isSecret ? 0 : UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
        writer.Write('\n');
    }
}
