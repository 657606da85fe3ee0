using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Chaos;

/// <summary>Where a chaos check leaves its two runs, and what their processes had to say.</summary>
internal sealed record ChaosFolder(string Path)
{
    /// <summary>Run folder of the run that is left alone.</summary>
    public string Undisturbed => System.IO.Path.Combine(Path, "undisturbed");

    /// <summary>Run folder of the run that the faults happen to.</summary>
    public string Disturbed => System.IO.Path.Combine(Path, "disturbed");

    /// <summary>What the processes of the check wrote; the runs' own logs are in their folders.</summary>
    public string Logs => System.IO.Path.Combine(Path, "logs");

    public string LogOf(string process) => System.IO.Path.Combine(Logs, process + ".log");

    /// <param name="path">Null for one that is named after the time.</param>
    /// <param name="overwrite">Whether an old check in it may be replaced.</param>
    /// <exception cref="ChaosException">It holds one that may not be replaced, or cannot be written to.</exception>
    public static ChaosFolder Create(string? path, bool overwrite)
    {
        ChaosFolder folder = new(System.IO.Path.GetFullPath(
            path ?? System.IO.Path.Combine("runs", $"{TimeProvider.System.GetLocalNow():yyyyMMdd-HHmmss}-chaos")));
        if (!overwrite && (Directory.Exists(folder.Undisturbed) || Directory.Exists(folder.Disturbed)))
            throw new ChaosException(2, $"'{folder.Path}' already holds a chaos check. Add --overwrite to replace it, or choose another folder with --run.");
        try
        {
            foreach (var log in Directory.CreateDirectory(folder.Logs).EnumerateFiles("*.log")) log.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChaosException(2, $"'{folder.Path}' cannot hold a chaos check: {e.Message} Choose another folder with --run.");
        }
        return folder;
    }

    /// <summary>How the processes of the check keep strangers out: a token of its own, where the command line names nothing.</summary>
    /// <exception cref="JoinTokenException">It cannot be written.</exception>
    public SecurityArguments Protect(SecurityArguments arguments)
    {
        if (arguments is not { Folder: null, TokenFile: null }) return arguments;
        var file = System.IO.Path.Combine(Path, JoinTokenFile.Name);
        File.Delete(file);
        JoinTokenFile.Write(file, JoinToken.Create());
        return arguments with { TokenFile = file };
    }
}
