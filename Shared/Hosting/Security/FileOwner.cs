using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Hosting.Security;

/// <summary>Who owns a file, which .NET does not tell.</summary>
internal static partial class FileOwner
{
    // Of statx(2), whose structure is the same on every architecture.
    private const int EmptyPath = 0x1000, WantsOwner = 0x8, UserOffset = 20, Bytes = 256;

    /// <summary>Whether root owns the file and this process is another user's; false where that cannot be told.</summary>
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
