namespace Distributed.Worker.Cluster;

/// <summary>Folders and files that nobody but the user can read.</summary>
internal static class PrivateFolder
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes a folder, or takes one that is there from others.</summary>
    public static void Create(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }
        if (Directory.Exists(path)) File.SetUnixFileMode(path, FolderMode);
        else Directory.CreateDirectory(path, FolderMode);
    }

    /// <summary>Makes the folders between a folder, which is there, and a file in it.</summary>
    public static void CreateFor(string folder, string file)
    {
        for (var end = file.IndexOf('/', StringComparison.Ordinal); end > 0; end = file.IndexOf('/', end + 1)) Create(Path.Combine(folder, file[..end]));
    }

    /// <summary>Makes a file, which is not there.</summary>
    public static FileStream CreateFile(string path)
    {
        var options = new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 1 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = FileMode;
        return new(path, options);
    }
}
