using System.CommandLine;

namespace Distributed.Shared.Security;

/// <summary>The options of the command line that are about protection, the same for every program.</summary>
public sealed class SecurityOptions
{
    /// <summary>--certs.</summary>
    public Option<string?> Certificates { get; } = new("--certs")
    {
        Description = $"Folder with {NodeCertificates.AuthorityFile}, {NodeCertificates.CertificateFile} and {NodeCertificates.KeyFile} (PEM): connections are encrypted, and only whoever has a certificate of that authority takes part.",
    };

    /// <summary>--insecure.</summary>
    public Option<bool> Insecure { get; } = new("--insecure")
    {
        Description = "Listen for other machines without certificates, on a network where you trust everybody.",
    };

    /// <summary>What was given.</summary>
    public SecurityArguments Of(ParseResult parsed) => new(parsed.GetValue(Certificates), parsed.GetValue(Insecure));
}
