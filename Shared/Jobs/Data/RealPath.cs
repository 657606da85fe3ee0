namespace Distributed.Jobs.Data;

/// <summary>Where a path leads once all links on the way are followed.</summary>
internal static class RealPath
{
    private const int MaxLinks = 40;

    /// <summary>The path without links.</summary>
    /// <exception cref="IOException">The links go in a circle.</exception>
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

    /// <summary>Whether a path without links is a folder, or lies in it.</summary>
    public static bool IsWithin(string path, string folder) =>
        path == folder || path.StartsWith(Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static IEnumerable<string> Segments(string path) =>
        path.Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries).Where(segment => segment != ".");
}
