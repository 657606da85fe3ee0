using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>A folder that --certs can name, made from nothing.</summary>
internal static class CertificateFolder
{
    /// <summary>Clocks differ: what is made now must count on a machine that is behind.</summary>
    private static readonly TimeSpan _leeway = TimeSpan.FromHours(1);

    /// <summary>Writes an authority's certificate, and one of a node that all nodes may share, with its private key.</summary>
    /// <param name="folder">Made if it is not there.</param>
    /// <param name="hosts">Names of the nodes, besides localhost.</param>
    /// <param name="now">From an hour before on.</param>
    /// <exception cref="CertificateException">One of the files is there already, or they cannot be written.</exception>
    public static void Create(string folder, IEnumerable<string> hosts, int days, DateTimeOffset now)
    {
        var (from, until) = (now - _leeway, now.AddDays(days));
        using var authority = CertificateAuthority.Create(from, until);
        var issued = authority.Issue(["localhost", "127.0.0.1", .. hosts], from, until);
        (string Name, string Text, bool IsSecret)[] files =
        [
            (NodeCertificates.KeyFile, issued.Key, true), (NodeCertificates.CertificateFile, issued.Certificate, false), (NodeCertificates.AuthorityFile, authority.Pem, false),
        ];
        try
        {
            Directory.CreateDirectory(folder);
            foreach (var file in files)
                if (File.Exists(Path.Combine(folder, file.Name)))
                    throw new CertificateException($"'{Path.Combine(folder, file.Name)}' exists; nothing is overwritten. Name another folder");
            foreach (var file in files) Write(Path.Combine(folder, file.Name), file.Text, file.IsSecret);
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
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | (isSecret ? 0 : UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
        writer.Write('\n');
    }
}
