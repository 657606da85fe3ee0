using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Distributed.Transport.Security;

/// <summary>The certificates are unusable, or an address requires some. The message is meant for the user.</summary>
internal sealed class CertificateException(string message, Exception? inner = null) : Exception(message, inner);

internal sealed record CertificateFiles(string Folder, string Authority, string Certificate, string Key)
{
    // Of the contents, not of the times: a mounted secret is renewed by changing the target of a link.
    public string Digest { get; } =
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', Authority, Certificate, Key))));

    public static CertificateFiles Read(string folder) => new(
        folder,
        Text(folder, NodeCertificates.AuthorityFile),
        Text(folder, NodeCertificates.CertificateFile),
        Text(folder, NodeCertificates.KeyFile));

    // The key must not appear in a log.
    public override string ToString() => Folder;

    public string PathOf(string name) => Path.Combine(Folder, name);

    private static string Text(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine(folder, name));
        try
        {
            // Opened first, since FileInfo.Length may be the size of a link.
            using var file = File.OpenRead(path);
            if (file.Length > NodeCertificates.MaxBytes)
                throw new CertificateException($"'{path}' has {file.Length} bytes; allowed: {NodeCertificates.MaxBytes}");
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return Encoding.UTF8.GetString(bytes);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CertificateException(
                $"'{path}' does not exist. --certs names a folder with {NodeCertificates.AuthorityFile}, "
                + $"{NodeCertificates.CertificateFile} and {NodeCertificates.KeyFile}, which the coordinator's 'certs init DIR' makes",
                error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CertificateException($"'{path}' cannot be read: {error.Message}", error);
        }
    }
}

/// <summary>The newest valid certificates of a folder. Open connections keep theirs; new ones use the current ones. Thread-safe.</summary>
internal sealed class CertificateSource : IDisposable
{
    private readonly string _host;
    private readonly Lock _reloading = new();
    private volatile NodeCertificates _current;
    private string? _refused;

    /// <param name="first">Disposed with this source, unless replaced.</param>
    public CertificateSource(NodeCertificates first, string host) => (_current, _host) = (first, host);

    public NodeCertificates Current => _current;

    public static CertificateSource Open(string folder, string host, DateTimeOffset now) =>
        new(NodeCertificates.Of(CertificateFiles.Read(folder), now, host), host);

    // Reads the files again and uses their certificates if they are new and valid. If they are invalid, keeps the former ones and logs
    // that once per change; the next call tries again, since they may be half written or not valid yet.
    public void Reload(DateTimeOffset now, ILogger log)
    {
        lock (_reloading)
        {
            string? digest = null;
            try
            {
                var files = CertificateFiles.Read(_current.Folder);
                digest = files.Digest;
                if (digest != _current.Digest)
                {
                    // The former certificates are not disposed: a handshake may be using them.
                    _current = NodeCertificates.Of(files, now, _host);
                    log.LogInformation("The certificates in '{Folder}' are new: new connections use them, until {ExpiresAt:u}",
                        _current.Folder, _current.ExpiresAt.UtcDateTime);
                }
                _refused = null;
            }
            // Whatever the error, the former certificates can be used.
            catch (Exception error)
            {
                if (_refused == (digest ?? error.Message)) return;
                _refused = digest ?? error.Message;
                log.LogWarning(
                    "Changed certificates in '{Folder}' are rejected; the former ones stay in use and expire at {ExpiresAt:u}: {Reason}",
                    _current.Folder, _current.ExpiresAt.UtcDateTime, error.Message);
            }
        }
    }

    public void Dispose() => _current.Dispose();
}
