using System.CommandLine;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Security;

internal sealed class SecurityOptions
{
    public Option<string?> Certificates { get; } = new("--certs")
    {
        Description = $"Folder with {NodeCertificates.AuthorityFile}, {NodeCertificates.CertificateFile} and {NodeCertificates.KeyFile} "
            + "(PEM): connections are encrypted, and only processes with a certificate of that authority can join.",
    };

    public Option<string?> TokenFile { get; } = new("--token-file")
    {
        Description = "File with the join token, which only the user may read (mode 0600): only processes with the token can join. "
            + $"Default of a coordinator: {JoinTokenFile.Name} in the run folder.",
    };

    /// <summary>Removed; the error names its replacement.</summary>
    public Option<bool> Insecure { get; } = new("--insecure") { Description = "Refused: see --token-file.", Hidden = true };

    public SecurityArguments Of(ParseResult parsed) =>
        new(parsed.GetValue(Certificates), parsed.GetValue(TokenFile), parsed.GetValue(Insecure));
}

internal sealed record SecurityArguments(string? Folder = null, string? TokenFile = null, bool IsInsecure = false)
{
    public IReadOnlyList<string> ToArguments()
    {
        if (Folder is { } folder) return ["--certs", Path.GetFullPath(folder)];
        return TokenFile is { } file ? ["--token-file", Path.GetFullPath(file)] : [];
    }
}

/// <summary>How a process authenticates its peers: by certificates, or by a token that all processes of the cluster have.</summary>
internal sealed class NodeSecurity : IDisposable
{
    private NodeSecurity(CertificateSource? certificates, JoinToken? token, SecurityArguments arguments) =>
        (Certificates, Token, Arguments) = (certificates, token, arguments);

    public CertificateSource? Certificates { get; } // Both planes use them; null if there is a Token.
    public JoinToken? Token { get; } // Null if there are certificates.

    public SecurityArguments Arguments { get; }

    /// <summary>Null if the arguments name neither certificates nor a token.</summary>
    /// <param name="host">Where others connect to the process.</param>
    public static NodeSecurity? Open(string host, SecurityArguments arguments)
    {
        if (arguments.IsInsecure)
        {
            throw new JoinTokenException("--insecure was removed: every process must prove that it may join. "
                + $"Without certificates, a coordinator makes a join token, {JoinTokenFile.Name} in its run folder; "
                + "give each worker on another machine a copy of it with --token-file");
        }
        if (arguments is { Folder: not null, TokenFile: not null })
            throw new JoinTokenException("--certs and --token-file are two ways of authentication: give one of the two");
        if (arguments.Folder is { } folder) return new(CertificateSource.Open(folder, host, DateTimeOffset.UtcNow), null, arguments);
        return arguments.TokenFile is { } file ? new(null, JoinTokenFile.Read(file), arguments) : null;
    }

    public static NodeSecurity Of(JoinToken token, string? file = null) => new(null, token, new(TokenFile: file));

    public void Dispose() => Certificates?.Dispose();
}
