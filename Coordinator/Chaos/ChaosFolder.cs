using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Chaos;

/// <summary>The folder of a chaos check: its two run folders, and the logs of its processes.</summary>
internal sealed record ChaosFolder(string Path)
{
    public string Undisturbed => In("undisturbed");
    public string Disturbed => In("disturbed");
    public string Logs => In("logs");

    public string LogOf(string process) => System.IO.Path.Combine(Logs, process + ".log");

    /// <param name="path">Null for a folder named after the time.</param>
    public static ChaosFolder Create(string? path, bool overwrite)
    {
        path ??= System.IO.Path.Combine("runs", $"{TimeProvider.System.GetLocalNow():yyyyMMdd-HHmmss}-chaos");
        ChaosFolder folder = new(System.IO.Path.GetFullPath(path));
        if (!overwrite && (Directory.Exists(folder.Undisturbed) || Directory.Exists(folder.Disturbed)))
            throw new ChaosException(2, $"'{folder.Path}' already holds a chaos check. "
                + "Add --overwrite to replace it, or choose another folder with --run.");
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

    /// <summary>Adds a join token of the check's own if the command line names neither certificates nor a token.</summary>
    public SecurityArguments Protect(SecurityArguments arguments)
    {
        if (arguments is not { Folder: null, TokenFile: null }) return arguments;
        var file = In(JoinTokenFile.Name);
        File.Delete(file);
        JoinTokenFile.Write(file, JoinToken.Create());
        return arguments with { TokenFile = file };
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
