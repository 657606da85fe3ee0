using Distributed.Transport.Security;

namespace Distributed.Hosting.Security;

/// <summary>What the command line says of protection.</summary>
/// <param name="Folder">--certs: folder with certificates.</param>
/// <param name="TokenFile">--token-file: file with the join token.</param>
/// <param name="IsInsecure">--insecure, which is no more.</param>
internal sealed record SecurityArguments(string? Folder = null, string? TokenFile = null, bool IsInsecure = false)
{
    /// <summary>The same, as arguments of another program.</summary>
    public IReadOnlyList<string> ToArguments() =>
        Folder is { } folder ? ["--certs", Path.GetFullPath(folder)] : TokenFile is { } file ? ["--token-file", Path.GetFullPath(file)] : [];
}

/// <summary>How a process keeps strangers out: by certificates, or by a token that all processes of the cluster hold.</summary>
internal sealed class NodeSecurity : IDisposable
{
    private NodeSecurity(CertificateSource? certificates, JoinToken? token, SecurityArguments arguments) => (Certificates, Token, Arguments) = (certificates, token, arguments);

    /// <summary>What both planes are encrypted and authenticated with; null where <see cref="Token"/> keeps strangers out.</summary>
    public CertificateSource? Certificates { get; }

    /// <summary>What each process has to hold; null where there are certificates.</summary>
    public JoinToken? Token { get; }

    /// <summary>What another process of the cluster on this machine is given.</summary>
    public SecurityArguments Arguments { get; }

    /// <param name="host">Where others connect to the process.</param>
    /// <returns>Null where it says nothing of either.</returns>
    /// <exception cref="CertificateException">The certificates are no good.</exception>
    /// <exception cref="JoinTokenException">The file holds no token, or others can read it; or two ways were asked for.</exception>
    public static NodeSecurity? Open(string host, SecurityArguments arguments)
    {
        if (arguments.IsInsecure)
            throw new JoinTokenException("--insecure is no more: every process has to prove that it may take part. Without certificates a coordinator makes a join token, "
                + $"{JoinTokenFile.Name} in its run folder; give each worker on another machine a copy of it with --token-file");
        if (arguments is { Folder: not null, TokenFile: not null })
            throw new JoinTokenException("--certs and --token-file are two ways to keep strangers out: give one of the two");
        if (arguments.Folder is { } folder) return new(CertificateSource.Open(folder, host, DateTimeOffset.UtcNow), null, arguments);
        return arguments.TokenFile is { } file ? new(null, JoinTokenFile.Read(file), arguments) : null;
    }

    /// <param name="file">Where others find it; null for nowhere.</param>
    public static NodeSecurity Of(JoinToken token, string? file = null) => new(null, token, new(TokenFile: file));

    public void Dispose() => Certificates?.Dispose();
}
