using System.CommandLine;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Security;

/// <summary>The options of the command line that are about protection, the same for every program.</summary>
internal sealed class SecurityOptions
{
    public Option<string?> Certificates { get; } = new("--certs")
    {
        Description = $"Folder with {NodeCertificates.AuthorityFile}, {NodeCertificates.CertificateFile} and {NodeCertificates.KeyFile} (PEM): connections are encrypted, and only whoever has a certificate of that authority takes part.",
    };

    public Option<string?> TokenFile { get; } = new("--token-file")
    {
        Description = $"File with the join token, which only the user may read (mode 0600): only a process that holds it takes part. Default of a coordinator: {JoinTokenFile.Name} in the run folder.",
    };

    /// <summary>--insecure, which says what to do instead.</summary>
    public Option<bool> Insecure { get; } = new("--insecure") { Description = "Refused: see --token-file.", Hidden = true };

    public SecurityArguments Of(ParseResult parsed) => new(parsed.GetValue(Certificates), parsed.GetValue(TokenFile), parsed.GetValue(Insecure));
}
