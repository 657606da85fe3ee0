using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <param name="Name">Its name on the way to another machine, see <see cref="DataManifest"/>.</param>
internal sealed record LocatedFile(string Name, string Path);

/// <summary>The files and folders of a job's data: whether they are on this machine, and the names of their files on the way to another
/// one, part <c>k</c> as <c>k/its own name</c>.</summary>
internal static class DataParts
{
    private const int MaxDepth = 8;

    /// <summary>The parts as the job names them, each once; empty if the data is embedded in the program.</summary>
    public static IReadOnlyList<string> Of(DataSpec data) => data switch
    {
        KnownData { Name: FashionMnistFiles.Name } => [FashionMnistFiles.Name],
        OwnData own => [.. own.Paths.Distinct(StringComparer.Ordinal)],
        _ => [],
    };

    /// <summary>The part that is missing on this machine, in the user's words; null if all are here.</summary>
    public static string? Missing(DataSpec data, DataOptions options) => data is OwnData
        ? Of(data).Where(part => options.Find(part) is null).Select(options.Absence).FirstOrDefault()
        : Of(data).Count == 0 || FashionMnistFiles.Find(options) is not null ? null : FashionMnistFiles.Absence(options);

    /// <summary>All files of all parts, downloaded if possible.</summary>
    public static (IReadOnlyList<LocatedFile> Files, DeliveryScope Scope) Locate(DataSpec data, DataOptions options)
    {
        try
        {
            var places = data is OwnData
                ? Of(data).Select(part => options.Find(part) ?? throw new DataException(options.Absence(part))).ToList()
                : [FashionMnistFiles.FindOrDownload(options)];
            var scope = new DeliveryScope(options, places);
            return (Locate(data, places, scope), scope);
        }
        catch (IOException error)
        {
            throw new DataException($"the data cannot be found: {error.Message}", error);
        }
    }

    private static List<LocatedFile> Locate(DataSpec data, List<string> places, DeliveryScope scope)
    {
        var files = new List<LocatedFile>();
        foreach (var (number, part) in Of(data).Index())
        {
            var name = NameOf(number, part);
            if (data is OwnData)
            {
                Add(files, name, places[number], scope, 0);
                continue;
            }
            foreach (var path in FashionMnistFiles.All.Select(file => FashionMnistFiles.PathIn(places[number], file)!))
                files.Add(new($"{name}/{Path.GetFileName(path)}", path));
        }
        return files;
    }

    /// <summary>The places of the parts in a folder with a whole data set, by their names.</summary>
    public static IReadOnlyDictionary<string, string> In(string folder, DataSpec data) => Of(data).Index().ToDictionary(
        part => part.Item, part => Path.Combine([folder, .. NameOf(part.Index, part.Item).Split('/')]), StringComparer.Ordinal);

    /// <summary>Keeps the last segment of a path if it is a valid name, since messages show the end of a file's name.</summary>
    private static string NameOf(int number, string part)
    {
        var own = part.TrimEnd('/', '\\').Split('/', '\\')[^1];
        return $"{number}/{(DataManifest.FaultOfName(own) is null ? own : "data")}";
    }

    private static void Add(List<LocatedFile> files, string name, string path, DeliveryScope scope, int depth)
    {
        scope.Require(path);
        if (!Directory.Exists(path))
        {
            if (files.Count == DataManifest.MaxFiles)
                throw new DataException($"{path} is one file too many: at most {DataManifest.MaxFiles} can be sent");
            files.Add(new(name, path));
            return;
        }
        if (depth == MaxDepth)
            throw new DataException($"{path} is {MaxDepth} folders deep, more than any data set needs; do links go in a circle?");
        var before = files.Count;
        foreach (var entry in Entries(path)) Add(files, $"{name}/{Path.GetFileName(entry)}", entry, scope, depth + 1);
        // A manifest cannot represent an empty folder, and the reader of the data would refuse it.
        if (files.Count == before) throw new DataException($"{path} is empty");
    }

    private static List<string> Entries(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder).Where(path => !Path.GetFileName(path).StartsWith('.'))];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{folder} cannot be read: {error.Message}", error);
        }
    }
}

/// <summary>What may be sent to other machines: the files and folders that a job names. A link in them is followed only within the data
/// folder or the folders of --deliver-from. Otherwise a user who may write there could obtain any file of the coordinator.</summary>
internal sealed class DeliveryScope
{
    private readonly List<string> _places;

    /// <param name="parts">The places of the job's files and folders. A part that is a link is not followed out of the data folder.</param>
    public DeliveryScope(DataOptions options, IEnumerable<string> parts)
    {
        // The working directory is not a data folder: that of a container may be the root of everything.
        var folders = ((string?[])[options.DataDirectory, .. options.DeliverFrom]).OfType<string>();
        _places = [.. folders.Select(RealPath.Of), .. parts.Select(PlaceOf)];
    }

    /// <summary>Refuses a path outside of the scope, before anything of it is read.</summary>
    public void Require(string path) => Require(path, RealPath.Of(path));

    /// <summary>Opens a file to read it, and checks the opened file, since the path may lead elsewhere by now.</summary>
    public FileStream Open(string path)
    {
        Require(path);
        if ((File.GetAttributes(RealPath.Of(path)) & (FileAttributes.Device | FileAttributes.Directory)) != 0)
            throw new DataException($"'{path}' is not a file");
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        try
        {
            if (OperatingSystem.IsLinux())
                Require(path, new FileInfo($"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}").LinkTarget ?? "");
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
        if (_places.Any(place => RealPath.IsWithin(real, place))) return;
        throw new DataException($"'{path}' is a link that leads out of the data folder, and is not sent. "
            + "Put the file there, or name the folder that it leads to with --deliver-from");
    }

    /// <summary>Resolves the links above a part, which are the administrator's, but not the part itself, which is the data's.</summary>
    private static string PlaceOf(string part)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(part));
        return Path.GetDirectoryName(full) is { } above ? Path.Combine(RealPath.Of(above), Path.GetFileName(full)) : full;
    }
}

/// <summary>Paths with all links resolved.</summary>
internal static class RealPath
{
    private const int MaxLinks = 40;

    public static string Of(string path)
    {
        var full = Path.GetFullPath(path);
        var root = Path.GetPathRoot(full)!;
        var at = root;
        var left = new Stack<string>(Segments(full[root.Length..]).Reverse());
        for (var links = 0; left.TryPop(out var segment);)
        {
            if (segment == "..")
            {
                at = Path.GetDirectoryName(at) ?? root;
                continue;
            }
            var next = Path.Combine(at, segment);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                at = next;
                continue;
            }
            if (++links > MaxLinks) throw new IOException($"'{path}' leads through more than {MaxLinks} links");
            if (Path.IsPathRooted(target)) at = root = Path.GetPathRoot(target)!;
            foreach (var more in Segments(Path.IsPathRooted(target) ? target[root.Length..] : target).Reverse()) left.Push(more);
        }
        return at;
    }

    /// <summary>Whether a path without links is a folder, or is in it.</summary>
    public static bool IsWithin(string path, string folder)
    {
        var prefix = Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar;
        return path == folder || path.StartsWith(prefix, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Segments(string path) => path
        .Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries)
        .Where(segment => segment != ".");
}
