using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <summary>
/// What may be sent to other machines. A job names files and folders, and those are sent; a link in them is followed only where it leads to a
/// place within the data folder, or within a folder that the user has named for that. Otherwise whoever may write into the data folder could have
/// any file sent that the coordinator can read.
/// </summary>
internal sealed class DeliveryScope
{
    private readonly List<string> _places;

    /// <summary>The data folder, and what was named beside it.</summary>
    /// <param name="options">Which these are.</param>
    /// <param name="parts">What the job names, where it lies: a link itself is not followed out of the data folder either.</param>
    /// <exception cref="IOException">Links go in a circle.</exception>
    public DeliveryScope(DataOptions options, IEnumerable<string> parts) =>
        // The working directory is no data folder: a container's may be the root of everything.
        _places = [.. ((string?[])[options.DataDirectory, .. options.DeliverFrom]).OfType<string>().Select(RealPath.Of), .. parts.Select(PlaceOf)];

    /// <summary>Refuses what lies elsewhere, before anything of it is read.</summary>
    /// <exception cref="DataException">It does.</exception>
    public void Require(string path) => Require(path, RealPath.Of(path));

    /// <summary>Opens a file to read it. What is checked is the file that was opened, whatever its path leads to by now.</summary>
    /// <exception cref="DataException">It lies elsewhere.</exception>
    public FileStream Open(string path)
    {
        Require(path);
        if ((File.GetAttributes(RealPath.Of(path)) & (FileAttributes.Device | FileAttributes.Directory)) != 0) throw new DataException($"'{path}' is no file");
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        try
        {
            if (OperatingSystem.IsLinux()) Require(path, new FileInfo($"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}").LinkTarget ?? "");
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private void Require(string path, string real)
    {
        if (!_places.Any(place => RealPath.IsWithin(real, place)))
            throw new DataException($"'{path}' is a link that leads out of the data folder, and is not sent. Put the file there, or name the folder that it leads to with --deliver-from");
    }

    /// <summary>The links above a part are the administrator's; its own is the data's.</summary>
    private static string PlaceOf(string part)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(part));
        return Path.GetDirectoryName(full) is { } above ? Path.Combine(RealPath.Of(above), Path.GetFileName(full)) : full;
    }
}
