using System.Security.Cryptography;
using System.Text;

namespace Distributed.Transport.Security;

/// <summary>What the three files of a folder held when they were read.</summary>
internal sealed class CertificateFiles
{
    private CertificateFiles(string folder)
    {
        Folder = folder;
        (Authority, Certificate, Key) = (Text(NodeCertificates.AuthorityFile), Text(NodeCertificates.CertificateFile), Text(NodeCertificates.KeyFile));
        Digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', Authority, Certificate, Key))));
    }

    /// <summary>Where they are.</summary>
    public string Folder { get; }

    /// <summary>Text of <see cref="NodeCertificates.AuthorityFile"/>.</summary>
    public string Authority { get; }

    /// <summary>Text of <see cref="NodeCertificates.CertificateFile"/>.</summary>
    public string Certificate { get; }

    /// <summary>Text of <see cref="NodeCertificates.KeyFile"/>.</summary>
    public string Key { get; }

    /// <summary>Differs if a file does. Of what they hold, not of their times: a mounted secret is renewed by changing where a link leads.</summary>
    public string Digest { get; }

    /// <exception cref="CertificateException">One is missing, too large, or cannot be read.</exception>
    public static CertificateFiles Read(string folder) => new(folder);

    public string PathOf(string name) => Path.Combine(Folder, name);

    private string Text(string name)
    {
        var path = Path.GetFullPath(PathOf(name));
        try
        {
            // Its size is the file's, not that of a link that leads there.
            using var file = File.OpenRead(path);
            if (file.Length > NodeCertificates.MaxBytes) throw new CertificateException($"'{path}' has {file.Length} bytes; allowed: {NodeCertificates.MaxBytes}");
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return Encoding.UTF8.GetString(bytes);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CertificateException($"'{path}' does not exist. --certs names a folder with {NodeCertificates.AuthorityFile}, {NodeCertificates.CertificateFile} and {NodeCertificates.KeyFile}, which the coordinator's 'certs init DIR' makes", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CertificateException($"'{path}' cannot be read: {error.Message}", error);
        }
    }
}
