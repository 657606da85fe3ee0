using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Runs;

/// <summary>The join token of a run whose command line names neither certificates nor a token file.</summary>
internal static class RunSecurity
{
    public static NodeSecurity Begin(RunFolder folder)
    {
        var token = JoinToken.Create();
        JoinTokenFile.Write(folder.TokenFile, token);
        return NodeSecurity.Of(token, folder.TokenFile);
    }

    public static NodeSecurity Resume(RunFolder folder, RunState begun, SecurityArguments arguments)
    {
        if (arguments is { Folder: null, TokenFile: null })
        {
            var file = File.Exists(folder.TokenFile) ? folder.TokenFile : begun.TokenFile;
            // Workers of a former version cannot return, and this coordinator starts all the others.
            if (file is null && begun is { IsFormer: true, IsOpen: false }) return Begin(folder);
            arguments = arguments with { TokenFile = file };
        }
        return NodeSecurity.Open(begun.Host, arguments) ?? throw new JoinTokenException(begun.IsFormer
            ? "the run was begun by a version without join tokens: give --certs DIR if it has certificates, or else --token-file FILE, "
                + "which 'token init FILE' makes, to this coordinator and to its workers"
            : "the run was begun with --certs DIR: give it again, or --token-file FILE where all its workers are new");
    }
}
