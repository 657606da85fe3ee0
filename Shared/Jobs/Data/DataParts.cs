using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <param name="Name">As it is called on its way to another machine, see <see cref="DataManifest"/>.</param>
/// <param name="Path">Where it lies.</param>
internal sealed record LocatedFile(string Name, string Path);

/// <summary>
/// The parts that a job's data consists of, files and folders: whether they are on this machine, and how their files are
/// called on their way to another, part <c>k</c> as <c>k/its own name</c>.
/// </summary>
internal static class DataParts
{
    private const int MaxDepth = 8;

    /// <summary>The parts as the job names them, each once; none where the data is within the program.</summary>
    public static IReadOnlyList<string> Of(DataSpec data) => data switch
    {
        KnownData { Name: FashionMnistFiles.Name } => [FashionMnistFiles.Name],
        OwnData own => [.. own.Paths.Distinct(StringComparer.Ordinal)],
        _ => [],
    };

    /// <summary>What is missing on this machine, in a user's words; null if nothing is.</summary>
    /// <exception cref="DataException">What is here cannot be used.</exception>
    public static string? Missing(DataSpec data, DataOptions options) => data is OwnData
        ? Of(data).Where(part => options.Find(part) is null).Select(options.Absence).FirstOrDefault()
        : Of(data).Count == 0 || FashionMnistFiles.Find(options) is not null ? null : FashionMnistFiles.Absence(options);

    /// <summary>All files of all parts; downloads what can be.</summary>
    /// <exception cref="DataException">A part is not here, or a folder cannot be read, or leads elsewhere than data may be sent from.</exception>
    public static (IReadOnlyList<LocatedFile> Files, DeliveryScope Scope) Locate(DataSpec data, DataOptions options)
    {
        try
        {
            var places = data is OwnData ? Of(data).Select(part => options.Find(part) ?? throw new DataException(options.Absence(part))).ToList() : [FashionMnistFiles.FindOrDownload(options)];
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
            foreach (var path in FashionMnistFiles.All.Select(file => FashionMnistFiles.PathIn(places[number], file)!)) files.Add(new($"{name}/{Path.GetFileName(path)}", path));
        }
        return files;
    }

    /// <summary>Where the parts lie within a folder that a whole data set was brought into, by their names.</summary>
    public static IReadOnlyDictionary<string, string> In(string folder, DataSpec data) =>
        Of(data).Index().ToDictionary(part => part.Item, part => Path.Combine([folder, .. NameOf(part.Index, part.Item).Split('/')]), StringComparer.Ordinal);

    /// <summary>Messages name files by their ends, so that the end is kept where it is a name.</summary>
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
            if (files.Count == DataManifest.MaxFiles) throw new DataException($"{path} is one file too many: at most {DataManifest.MaxFiles} can be sent");
            files.Add(new(name, path));
            return;
        }
        if (depth == MaxDepth) throw new DataException($"{path} lies {MaxDepth} folders deep, which no data set does; do links go in a circle?");
        var before = files.Count;
        foreach (var entry in Entries(path)) Add(files, $"{name}/{Path.GetFileName(entry)}", entry, scope, depth + 1);
        // Nobody would hear of a folder without files, which whoever reads it refuses.
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
