using System.CommandLine;
using System.Security.Cryptography.X509Certificates;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>Makes the certificates of a cluster, and tells what is in a folder of them.</summary>
internal static class CertsCommand
{
    private const int MaxDays = 3650;

    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var folder = new Argument<string>("DIR") { Description = "Folder with ca.crt, tls.crt and tls.key." };
        var host = new Option<string[]>("--host")
        {
            Description = "Name or address that a node is reached at, such as 192.0.2.1, trainer.example or *.workers.mine.svc.cluster.local; may be given more than once.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
        };
        host.Validators.Add(result =>
        {
            foreach (var name in result.Tokens.Select(token => token.Value).Where(name => !CertificateAuthority.IsName(name)))
                result.AddError($"--host is '{name}'; allowed: a DNS name, *.NAME, or an IP address");
        });
        var days = new Option<int>("--days") { Description = "How long they are valid.", DefaultValueFactory = _ => 365 };
        days.Within(1, MaxDays);
        var init = new Command("init",
            "Makes an authority and a certificate that all nodes of a cluster may share, for --certs. The authority's private key is thrown away. Example: certs init certs --host 192.0.2.1 --host 192.0.2.2")
        {
            folder, host, days,
        };
        init.SetAction(parsed => Told(parsed.GetRequiredValue(folder), path =>
            CertificateFolder.Create(path, parsed.GetValue(host) ?? [], parsed.GetValue(days), DateTimeOffset.UtcNow)));
        var show = new Command("show", "Tells whose certificates a folder holds, until when, and for which names. Exit code 2: something is wrong with them.") { folder };
        show.SetAction(parsed => Told(parsed.GetRequiredValue(folder), _ => { }));
        return new("certs", "Certificates for --certs, with which both planes are encrypted and all processes authenticated.") { init, show };
    }

    private static int Told(string folder, Action<string> first)
    {
        try
        {
            first(folder);
            using var certificates = NodeCertificates.Load(folder, DateTimeOffset.UtcNow);
            foreach (var authority in certificates.Authorities) Console.WriteLine($"{NodeCertificates.AuthorityFile}: {Line(authority)}");
            Console.WriteLine($"{NodeCertificates.CertificateFile}: {Line(certificates.Own)}, for {string.Join(", ", NodeCertificates.NamesOf(certificates.Own))}");
            return 0;
        }
        catch (CertificateException error)
        {
            return CommandLine.Fail(2, error.Message);
        }
    }

    private static string Line(X509Certificate2 certificate) => $"{certificate.Subject}, valid until {certificate.NotAfter.ToUniversalTime():u}";
}
