using System.Runtime.InteropServices;
using System.Text;
using Distributed.Transport.Security;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Hosting.Security;

internal sealed class JoinTokenException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A file with a <see cref="JoinToken"/> that only the user may read.</summary>
internal static class JoinTokenFile
{
    public const string Name = "join.token";
    public const int MaxBytes = 1024;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
    private const UnixFileMode Group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    public static JoinToken Read(string path)
    {
        var full = Path.GetFullPath(path);
        try
        {
            using var file = File.OpenRead(full);
            RequirePrivate(file, full);
            if (file.Length > MaxBytes)
                throw new JoinTokenException($"'{full}' has {file.Length} bytes; a file with a join token has at most {MaxBytes}");
            var bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return JoinToken.Parse(Encoding.UTF8.GetString(bytes)) ?? throw new JoinTokenException(
                $"'{full}' is not a join token: {JoinToken.Length} bytes in base64. The coordinator's 'token init FILE' makes such a file");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new JoinTokenException($"'{full}' does not exist. --token-file names a file with the join token of a run: "
                + $"{Name} in its folder, or one that the coordinator's 'token init FILE' has made", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new JoinTokenException($"'{full}' cannot be read: {error.Message}", error);
        }
    }

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
            throw new JoinTokenException(File.Exists(full)
                ? $"'{full}' exists; nothing is overwritten. Name another file"
                : $"'{full}' cannot be written: {error.Message}", error);
        }
    }

    /// <summary>Only the user may read the file; or also a group if root owns it, as with a secret that Kubernetes mounts.</summary>
    private static void RequirePrivate(FileStream file, string path)
    {
        if (OperatingSystem.IsWindows()) return;
        var mode = File.GetUnixFileMode(file.SafeFileHandle);
        var forbidden = FileOwner.IsRootElsewhere(file.SafeFileHandle) ? Others | UnixFileMode.GroupWrite : Others | Group;
        if ((mode & forbidden) == 0) return;
        throw new JoinTokenException($"'{path}' has the mode {Convert.ToString((int)mode, 8).PadLeft(4, '0')}, and holds a secret: "
            + $"allow its owner alone (chmod 600 '{path}')");
    }
}

internal static partial class FileOwner
{
    // Of statx(2), whose structure is the same on every architecture.
    private const int EmptyPath = 0x1000, WantsOwner = 0x8, UserOffset = 20, Bytes = 256;

    /// <summary>Whether root owns the file and this process runs as another user; false if that is unknown.</summary>
    public static bool IsRootElsewhere(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux()) return false;
        var status = new byte[Bytes];
        return StatX(file, "", EmptyPath, WantsOwner, status) == 0 && BitConverter.ToUInt32(status, UserOffset) == 0 && UserId() != 0;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StatX(SafeFileHandle file, string path, int flags, uint mask, Span<byte> status);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint UserId();
}
