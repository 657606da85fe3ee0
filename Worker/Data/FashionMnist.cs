namespace Distributed.Worker.Data;

/// <summary>
/// Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017, arXiv:1708.07747; MIT licence): grey 28×28 images of ten kinds
/// of clothing, 60,000 to train on and 10,000 to test on, as four IDX files, each with or without ".gz".
/// </summary>
public static class FashionMnist
{
    /// <summary>The name under which a job asks for it, and of its folder in every place.</summary>
    public const string Name = "fashion-mnist";

    private const string Package = "dataset-fashion-mnist";
    private const int Side = 28, Classes = 10;

    // Sizes and hashes of the decompressed content: the distributions compress the files anew.
    private static readonly PublishedFile _trainImages =
        new("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888");
    private static readonly PublishedFile _trainLabels =
        new("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9");
    private static readonly PublishedFile _testImages =
        new("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b");
    private static readonly PublishedFile _testLabels =
        new("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34");
    private static readonly PublishedFile[] _files = [_trainImages, _trainLabels, _testImages, _testLabels];

    /// <summary>What its images are like, known without reading them.</summary>
    public static ImageFormat Format { get; } = new(1, Side, Side, Classes, 1f / byte.MaxValue);

    /// <summary>The address that the data set's own README gives. Plain HTTP: what comes is checked by its hash.</summary>
    public static Uri Source { get; } = new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/");

    /// <summary>
    /// Reads the files from the first folder that has them: the data directory and its subfolder fashion-mnist, the
    /// shared directory likewise, the system's package, the cache; else downloads them into the cache.
    /// </summary>
    /// <exception cref="DataException">
    /// The data directory does not exist, a folder has some of the files only, a file is malformed, or there are none
    /// and the download failed.
    /// </exception>
    public static DataSet Load(DataOptions options)
    {
        if (options.DataDirectory is { } given && !Directory.Exists(given))
            throw new DataException($"The data directory '{given}' (--data-dir) does not exist.");

        var cache = Path.Combine(options.CacheDirectory, Name);
        string[] folders = [.. WithSubfolder(options.DataDirectory), .. WithSubfolder(options.SharedDirectory), Path.Combine(options.SystemDirectory, Name)];
        var folder = folders.FirstOrDefault(HoldsAny) ?? cache;
        var missing = _files.Where(file => Find(folder, file) is null).ToList();
        if (missing.Count > 0 && folder != cache)
            throw new DataException($"{folder} has only some of the files of {Name}; missing (with or without .gz): {string.Join(", ", missing.Select(file => file.Name))}.");
        if (missing.Count > 0) Download(missing, [.. folders, cache], options);
        return new DataSet(Name, Read(folder, _trainImages, _trainLabels), Read(folder, _testImages, _testLabels));
    }

    private static IEnumerable<string> WithSubfolder(string? folder) =>
        string.IsNullOrEmpty(folder) ? [] : [folder, Path.Combine(folder, Name)];

    private static bool HoldsAny(string folder) => _files.Any(file => Find(folder, file) is not null);

    private static string? Find(string folder, PublishedFile file) =>
        new[] { Path.Combine(folder, file.Name), Path.Combine(folder, file.ArchiveName) }.FirstOrDefault(File.Exists);

    private static ImageSet Read(string folder, PublishedFile images, PublishedFile labels)
    {
        var imagesPath = Find(folder, images)!;
        var set = IdxImages.Read(imagesPath, Find(folder, labels)!, Classes);
        return set is { Height: Side, Width: Side }
            ? set
            : throw new DataException($"{imagesPath}, byte 8: images are {set.Height}x{set.Width}; {Name} has {Side}x{Side}.");
    }

    private static void Download(List<PublishedFile> missing, string[] folders, DataOptions options)
    {
        var downloader = new Downloader(options.HttpHandler, options.DownloadTimeout);
        try
        {
            foreach (var file in missing)
            {
                // On a scheduler of its own, since the caller's may be the very one that this thread blocks.
                Task.Run(() => downloader.FetchAsync(Source, file, folders[^1])).GetAwaiter().GetResult();
            }
        }
        catch (DataException e)
        {
            throw new DataException(
                $"{Name} is not on this machine, and the download failed: {e.Message} Looked in: {string.Join(", ", folders)}. "
                + $"Install the Debian or Ubuntu package {Package}, or put the files into a folder and name it with --data-dir or $DISTRIBUTED_DATA.", e);
        }
    }
}
