using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <summary>
/// The four files of Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017, arXiv:1708.07747; MIT licence), each with or
/// without ".gz": where they are on this machine, and where they are downloaded from.
/// </summary>
internal static class FashionMnistFiles
{
    /// <summary>The name under which a job asks for the data set, and of its folder in every place.</summary>
    public const string Name = "fashion-mnist";

    private const string Package = "dataset-fashion-mnist";

    // Sizes and hashes of the decompressed content: the distributions compress the files anew.

    /// <summary>60,000 images.</summary>
    public static PublishedFile TrainImages { get; } =
        new("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888");

    public static PublishedFile TrainLabels { get; } =
        new("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9");

    /// <summary>10,000 images to test on.</summary>
    public static PublishedFile TestImages { get; } =
        new("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b");

    public static PublishedFile TestLabels { get; } =
        new("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34");

    public static IReadOnlyList<PublishedFile> All { get; } = [TrainImages, TrainLabels, TestImages, TestLabels];

    /// <summary>The address that the data set's own README gives. Plain HTTP: what comes is checked by its hash.</summary>
    public static Uri Source { get; } = new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/");

    /// <summary>
    /// The first folder that has the files: what the coordinator has sent, the data directory and its subfolder fashion-mnist,
    /// the shared directory likewise, the system's package, the cache; null where none has them.
    /// </summary>
    /// <exception cref="DataException">The data directory does not exist, or a folder has some of the files only.</exception>
    public static string? Find(DataOptions options)
    {
        if (options.Delivered?.GetValueOrDefault(Name) is { } delivered) return delivered;
        if (options.DataDirectory is { } given && !Directory.Exists(given))
            throw new DataException($"The data directory '{given}' (--data-dir) does not exist.");
        var folder = Folders(options).FirstOrDefault(folder => All.Any(file => PathIn(folder, file) is not null));
        if (folder is null || MissingIn(folder) is not [_, ..] missing) return folder;
        // A download that was broken off is gone on with.
        return folder == Cache(options)
            ? null
            : throw new DataException($"{folder} has only some of the files of {Name}; missing (with or without .gz): {string.Join(", ", missing.Select(file => file.Name))}.");
    }

    /// <summary>As <see cref="Find"/>, and downloads into the cache where none has them.</summary>
    /// <exception cref="DataException">As <see cref="Find"/>, or the download failed.</exception>
    public static string FindOrDownload(DataOptions options)
    {
        if (Find(options) is { } folder) return folder;
        var downloader = new Downloader(options.HttpHandler, options.DownloadTimeout);
        try
        {
            foreach (var file in MissingIn(Cache(options)))
            {
                // On a scheduler of its own, since the caller's may be the very one that this thread blocks.
                Task.Run(() => downloader.FetchAsync(Source, file, Cache(options))).GetAwaiter().GetResult();
            }
            return Cache(options);
        }
        catch (DataException e)
        {
            throw new DataException(
                $"{Name} is not on this machine, and the download failed: {e.Message} {Absence(options)}{options.OfCoordinator}. "
                + $"Install the Debian or Ubuntu package {Package}, or put the files into a folder and name it with --data-dir or $DISTRIBUTED_DATA.", e);
        }
    }

    /// <summary>Where the files were looked for in vain, in a user's words.</summary>
    public static string Absence(DataOptions options) => $"Looked in: {string.Join(", ", Folders(options))} on {Environment.MachineName}";

    /// <summary>A file in a folder, compressed or not; null where it is not there.</summary>
    public static string? PathIn(string folder, PublishedFile file) =>
        new[] { Path.Combine(folder, file.Name), Path.Combine(folder, file.ArchiveName) }.FirstOrDefault(File.Exists);

    private static List<PublishedFile> MissingIn(string folder) => [.. All.Where(file => PathIn(folder, file) is null)];

    private static string[] Folders(DataOptions options) =>
        [.. WithSubfolder(options.DataDirectory), .. WithSubfolder(options.SharedDirectory), Path.Combine(options.SystemDirectory, Name), Cache(options)];

    private static string Cache(DataOptions options) => Path.Combine(options.CacheDirectory, Name);

    private static IEnumerable<string> WithSubfolder(string? folder) =>
        string.IsNullOrEmpty(folder) ? [] : [folder, Path.Combine(folder, Name)];
}
