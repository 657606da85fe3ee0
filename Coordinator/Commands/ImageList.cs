namespace Distributed.Coordinator.Commands;

internal static class ImageList
{
    private static readonly string[] _endings = [".png", ".jpg", ".jpeg"];

    /// <summary>Puts in the place of each folder the PNG and JPEG files that lie in it, in the order of their names; folders in it are passed by.</summary>
    /// <exception cref="IOException">A folder has no such file, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A folder may not be read.</exception>
    public static IReadOnlyList<string> Expand(IEnumerable<string> paths) =>
        [.. paths.SelectMany(path => Directory.Exists(path) ? In(path) : [path])];

    private static List<string> In(string folder)
    {
        List<string> images = [.. Directory.EnumerateFiles(folder)
            .Where(file => _endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            .OrderBy(Path.GetFileName, StringComparer.Ordinal)];
        return images.Count > 0 ? images : throw new IOException($"'{folder}' has no file that ends in {string.Join(", ", _endings)}; name a folder with images, or images");
    }
}
