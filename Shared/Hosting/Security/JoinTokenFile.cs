using System.Text;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Security;

/// <summary>A file that holds a <see cref="JoinToken"/> and that only the user may read.</summary>
internal static class JoinTokenFile
{
    public const string Name = "join.token";

    /// <summary>Bytes that the file may have.</summary>
    public const int MaxBytes = 1024;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
    private const UnixFileMode Group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    /// <exception cref="JoinTokenException">There is no such file, others can read it, or it holds no token.</exception>
    public static JoinToken Read(string path)
    {
        var full = Path.GetFullPath(path);
        try
        {
            using var file = File.OpenRead(full);
            RequirePrivate(file, full);
            if (file.Length > MaxBytes) throw new JoinTokenException($"'{full}' has {file.Length} bytes; a file with a join token has at most {MaxBytes}");
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return JoinToken.Parse(Encoding.UTF8.GetString(bytes))
                ?? throw new JoinTokenException($"'{full}' holds no join token: {JoinToken.Length} bytes in base64. The coordinator's 'token init FILE' makes such a file");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new JoinTokenException(
                $"'{full}' does not exist. --token-file names a file with the join token of a run: {Name} in its folder, or one that the coordinator's 'token init FILE' has made", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new JoinTokenException($"'{full}' cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Writes a token that is not there yet.</summary>
    /// <exception cref="JoinTokenException">The file exists, or cannot be written.</exception>
    public static void Write(string path, JoinToken token)
    {
        var full = Path.GetFullPath(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = Private;
        try
        {
            using var stream = new FileStream(full, options);
            stream.Write(Encoding.ASCII.GetBytes(token.ToText() + "\n"));
            stream.Flush(flushToDisk: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new JoinTokenException(File.Exists(full) ? $"'{full}' exists; nothing is overwritten. Name another file" : $"'{full}' cannot be written: {error.Message}", error);
        }
    }

    /// <summary>
    /// The user alone, or a group where root has handed the file to it, as Kubernetes does with a mounted secret: then the user could not
    /// change the mode.
    /// </summary>
    private static void RequirePrivate(FileStream file, string path)
    {
        if (OperatingSystem.IsWindows()) return;
        var mode = File.GetUnixFileMode(file.SafeFileHandle);
        var forbidden = FileOwner.IsRootElsewhere(file.SafeFileHandle) ? Others | UnixFileMode.GroupWrite : Others | Group;
        if ((mode & forbidden) != 0)
            throw new JoinTokenException($"'{path}' has the mode {Convert.ToString((int)mode, 8).PadLeft(4, '0')}, and holds a secret: allow its owner alone (chmod 600 '{path}')");
    }
}
