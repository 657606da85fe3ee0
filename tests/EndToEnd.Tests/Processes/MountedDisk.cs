using System.Diagnostics;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>A small disk mounted at a folder: in memory, or an image in a file. Needs root.</summary>
internal sealed class MountedDisk : IDisposable
{
    private readonly string? _image;

    private MountedDisk(string path, string? image) => (Path, _image) = (path, image);

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>Mounts a disk in memory; null if that is not allowed.</summary>
    public static MountedDisk? InMemory(string path, int kibibytes) =>
        Try("mount", "-t", "tmpfs", "-o", $"size={kibibytes}k", "tmpfs", Directory.CreateDirectory(path).FullName) ? new(path, null) : null;

    /// <summary>Makes a file system in a file, and mounts it; null if that is not allowed.</summary>
    public static MountedDisk? OfImage(string path, string image, int mebibytes)
    {
        using (var file = File.Create(image)) file.SetLength((long)mebibytes << 20);
        return Try("mkfs.ext4", "-q", "-F", image) ? Mount(path, image) : null;
    }

    /// <summary>
    /// Simulates a power cut: the disk keeps what its device holds now, without unwritten caches. The processes that use the disk must be
    /// dead when <paramref name="kill"/> returns.
    /// </summary>
    public MountedDisk CutPower(Action kill)
    {
        var copy = _image + ".copy";
        Require("cp", "--sparse=always", _image!, copy);
        kill();
        Require("umount", "--lazy", Path);
        // The device of the former mount may still be written to until its last file is closed.
        var next = _image + ".next";
        File.Move(copy, next, overwrite: true);
        return Mount(Path, next) ?? throw new IOException($"'{next}' cannot be mounted");
    }

    /// <summary>Takes all free space; may be called again.</summary>
    public void Fill()
    {
        using var ballast = new FileStream(Ballast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        for (var size = 4096; size >= 1; size /= 4096)
        {
            var bytes = new byte[size];
            try
            {
                while (true) ballast.Write(bytes);
            }
            catch (IOException)
            {
                // Full.
            }
        }
    }

    /// <summary>Frees that space.</summary>
    public void Empty() => File.Delete(Ballast);

    public void Dispose() => Try("umount", "--lazy", Path);

    private string Ballast => System.IO.Path.Combine(Path, "ballast");

    private static MountedDisk? Mount(string path, string image) =>
        Try("mount", "-o", "loop", image, Directory.CreateDirectory(path).FullName) ? new(path, image) : null;

    private static void Require(string program, params string[] arguments)
    {
        if (!Try(program, arguments)) throw new IOException($"{program} {string.Join(' ', arguments)} has failed");
    }

    private static bool Try(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
