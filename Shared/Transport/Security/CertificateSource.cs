using Microsoft.Extensions.Logging;

namespace Distributed.Transport.Security;

/// <summary>
/// The certificates of a folder, the newest that were good. Connections that stand keep theirs; each new one asks here. Safe from every thread.
/// </summary>
internal sealed class CertificateSource : IDisposable
{
    private readonly string _host;
    private readonly Lock _reloading = new();
    private volatile NodeCertificates _current;
    private string? _refused;

    /// <param name="first">They are disposed with this.</param>
    /// <param name="host">Name or address that those which follow must have, as others connect to it.</param>
    public CertificateSource(NodeCertificates first, string host) => (_current, _host) = (first, host);

    /// <summary>What a connection shows and believes that is made now.</summary>
    public NodeCertificates Current => _current;

    /// <param name="folder">Holds what <see cref="NodeCertificates.Load"/> reads.</param>
    /// <param name="host">Where others connect to the process.</param>
    /// <param name="now">When they have to be valid.</param>
    /// <exception cref="CertificateException">Something about them is wrong.</exception>
    public static CertificateSource Open(string folder, string host, DateTimeOffset now) => new(Named(CertificateFiles.Read(folder), host, now), host);

    /// <summary>
    /// Reads the files again, and takes what they hold if it is new and as good as it had to be at the start. If not, all stays as it is, which is
    /// told once for each change of the files; they are tried again, since what is not valid yet, or half written, may be good later.
    /// </summary>
    /// <param name="now">When they have to be valid.</param>
    /// <param name="log">Is told what is new, and why it is not taken.</param>
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
                    // The former ones are not disposed: a handshake may be using them.
                    _current = Named(files, _host, now);
                    log.LogInformation("The certificates in '{Folder}' are new: connections that are made from now on use them, until {ExpiresAt:u}",
                        _current.Folder, _current.ExpiresAt.UtcDateTime);
                }
                _refused = null;
            }
            // Whatever it is that cannot be used, there is something that can.
            catch (Exception error)
            {
                if (_refused == (digest ?? error.Message)) return;
                _refused = digest ?? error.Message;
                log.LogWarning("Changed certificates in '{Folder}' are not taken, and the former ones stay in use, which expire at {ExpiresAt:u}: {Reason}",
                    _current.Folder, _current.ExpiresAt.UtcDateTime, error.Message);
            }
        }
    }

    public void Dispose() => _current.Dispose();

    private static NodeCertificates Named(CertificateFiles files, string host, DateTimeOffset now)
    {
        var certificates = NodeCertificates.Of(files, now);
        try
        {
            certificates.RequireName(host);
            return certificates;
        }
        catch
        {
            certificates.Dispose();
            throw;
        }
    }
}
