using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Runs;

/// <summary>How the processes of a run keep strangers out, where the command line leaves that open: by a join token in the run folder.</summary>
internal static class RunSecurity
{
    /// <summary>Of a new run: a token that nobody has used.</summary>
    /// <exception cref="JoinTokenException">The folder cannot be written to.</exception>
    public static NodeSecurity Begin(RunFolder folder)
    {
        var token = JoinToken.Create();
        JoinTokenFile.Write(folder.TokenFile, token);
        return NodeSecurity.Of(token, folder.TokenFile);
    }

    /// <summary>Of a run that goes on: as its workers know it.</summary>
    /// <param name="folder">Where it is now.</param>
    /// <exception cref="CertificateException">The certificates are no good.</exception>
    /// <exception cref="JoinTokenException">There is no token, or it cannot be read.</exception>
    public static NodeSecurity Resume(RunFolder folder, RunState begun, SecurityArguments arguments)
    {
        if (arguments is { Folder: null, TokenFile: null })
        {
            var file = File.Exists(folder.TokenFile) ? folder.TokenFile : begun.TokenFile;
            // No worker of a former version can return, and this coordinator starts all that come.
            if (file is null && begun is { IsFormer: true, IsOpen: false }) return Begin(folder);
            arguments = arguments with { TokenFile = file };
        }
        return NodeSecurity.Open(begun.Host, arguments) ?? throw new JoinTokenException(begun.IsFormer
            ? "the run was begun by a version without join tokens: give --certs DIR if it has certificates, or else --token-file FILE, "
                + "which 'token init FILE' makes, to this coordinator and to its workers"
            : "the run was begun with --certs DIR: give it again, or --token-file FILE where all its workers are new");
    }
}
