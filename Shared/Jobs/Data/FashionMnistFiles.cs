using System.IO.Compression;
using System.Security.Cryptography;
using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <summary>The four files of Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017, arXiv:1708.07747; MIT licence), each with or without
/// ".gz": their places on this machine, and the source of the download.</summary>
internal static class FashionMnistFiles
{
    public const string Name = "fashion-mnist"; // The name of the data set in a job, and of its folder in every place.

    private const string Package = "dataset-fashion-mnist";

    // Sizes and hashes are those of the decompressed content, since each distribution compresses the files itself.
    public static PublishedFile TrainImages { get; } =
        new("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888");
    public static PublishedFile TrainLabels { get; } =
        new("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9");
    public static PublishedFile TestImages { get; } =
        new("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b");
    public static PublishedFile TestLabels { get; } =
        new("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34");

    public static IReadOnlyList<PublishedFile> All { get; } = [TrainImages, TrainLabels, TestImages, TestLabels];

    /// <summary>The address in the data set's README. Plain HTTP is enough, since the content is checked by its hash.</summary>
    public static Uri Source { get; } = new("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/");

    /// <summary>The first folder with the files: what the coordinator has sent, the data directory and its subfolder fashion-mnist, the
    /// shared directory likewise, the system's package, the cache; null if no folder has them.</summary>
    public static string? Find(DataOptions options)
    {
        if (options.Delivered?.GetValueOrDefault(Name) is { } delivered) return delivered;
        if (options.DataDirectory is { } given && !Directory.Exists(given))
            throw new DataException($"The data directory '{given}' (--data-dir) does not exist.");
        var folder = Folders(options).FirstOrDefault(folder => All.Any(file => PathIn(folder, file) is not null));
        if (folder is null || MissingIn(folder) is not [_, ..] missing) return folder;
        // An interrupted download is continued.
        if (folder == Cache(options)) return null;
        throw new DataException($"{folder} has only some of the files of {Name}; "
            + $"missing (with or without .gz): {string.Join(", ", missing.Select(file => file.Name))}.");
    }

    /// <summary>As <see cref="Find"/>, but downloads missing files into the cache.</summary>
    public static string FindOrDownload(DataOptions options)
    {
        if (Find(options) is { } folder) return folder;
        var downloader = new Downloader(options.HttpHandler, options.DownloadTimeout);
        try
        {
            foreach (var file in MissingIn(Cache(options)))
            {
                // On the thread pool, since this thread may block the caller's scheduler.
                Task.Run(() => downloader.FetchAsync(Source, file, Cache(options))).GetAwaiter().GetResult();
            }
            return Cache(options);
        }
        catch (DataException e)
        {
            throw new DataException(
                $"{Name} is not on this machine, and the download failed: {e.Message} {Absence(options)}{options.OfCoordinator}. "
                + $"Install the Debian or Ubuntu package {Package}, or put the files into a folder "
                + "and name it with --data-dir or $DISTRIBUTED_DATA.", e);
        }
    }

    public static string Absence(DataOptions options) =>
        $"Looked in: {string.Join(", ", Folders(options))} on {Environment.MachineName}";

    /// <summary>The path of a file in a folder, compressed or not; null if it does not exist.</summary>
    public static string? PathIn(string folder, PublishedFile file) =>
        new[] { Path.Combine(folder, file.Name), Path.Combine(folder, file.ArchiveName) }.FirstOrDefault(File.Exists);

    private static List<PublishedFile> MissingIn(string folder) => [.. All.Where(file => PathIn(folder, file) is null)];

    private static string[] Folders(DataOptions options) =>
    [
        .. WithSubfolder(options.DataDirectory), .. WithSubfolder(options.SharedDirectory),
        Path.Combine(options.SystemDirectory, Name), Cache(options),
    ];

    private static string Cache(DataOptions options) => Path.Combine(options.CacheDirectory, Name);

    private static IEnumerable<string> WithSubfolder(string? folder) =>
        string.IsNullOrEmpty(folder) ? [] : [folder, Path.Combine(folder, Name)];
}

/// <summary>A published file, known by its decompressed content.</summary>
/// <param name="Name">File name, without ".gz".</param>
/// <param name="ContentSha256">Lower-case hexadecimal.</param>
internal sealed record PublishedFile(string Name, long ContentBytes, string ContentSha256)
{
    public string ArchiveName => Name + ".gz";
}

/// <summary>Downloads gzip files and keeps their verified content. A file appears completely or not at all, for all processes.</summary>
/// <param name="handler">Null for plain HTTP. The caller disposes of it.</param>
/// <param name="timeout">For one file, from connecting to its last byte.</param>
internal sealed class Downloader(HttpMessageHandler? handler, TimeSpan timeout)
{
    private static readonly TimeSpan _connectTimeout = TimeSpan.FromSeconds(15);

    public async Task FetchAsync(Uri source, PublishedFile file, string folder)
    {
        var uri = new Uri(source, file.ArchiveName);
        var partial = Path.Combine(folder, $".{file.Name}.{Guid.NewGuid():N}.partial");
        using var deadline = new CancellationTokenSource(timeout);
        try
        {
            Directory.CreateDirectory(folder);
            try
            {
                await ReceiveAsync(uri, file, partial, deadline.Token).ConfigureAwait(false);
                Durable.MoveFile(partial, Path.Combine(folder, file.Name));
            }
            finally
            {
                File.Delete(partial);
            }
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested)
        {
            throw new DataException($"{uri} did not arrive within {timeout.TotalSeconds:0.###} s.", e);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{uri} could not be fetched into {folder}: {e.Message}", e);
        }
        catch (InvalidDataException e)
        {
            throw new DataException($"{uri} is not an intact gzip file: {e.Message}", e);
        }
    }

    private async Task ReceiveAsync(Uri uri, PublishedFile file, string path, CancellationToken cancel)
    {
        using var plain = handler is null ? new SocketsHttpHandler { ConnectTimeout = _connectTimeout } : null;
        using var client = new HttpClient(handler ?? plain!, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        using var response = await client.GetAsync(uri, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
        response.EnsureSuccessStatusCode();
        var body = await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
        using var content = new GZipStream(body, CompressionMode.Decompress);
        using var target = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        await CopyVerifiedAsync(content, target, uri, file, cancel).ConfigureAwait(false);
    }

    private static async Task CopyVerifiedAsync(Stream content, Stream target, Uri uri, PublishedFile file, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 * 1024];
        var total = 0L;
        for (int read; (read = await content.ReadAsync(buffer, cancel).ConfigureAwait(false)) > 0;)
        {
            total += read;
            if (total > file.ContentBytes)
                throw new DataException($"{uri} holds more than the {file.ContentBytes} bytes of {file.Name}.");
            hash.AppendData(buffer.AsSpan(0, read));
            await target.WriteAsync(buffer.AsMemory(0, read), cancel).ConfigureAwait(false);
        }
        var sha256 = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (sha256 != file.ContentSha256)
        {
            throw new DataException($"{uri} holds {total} bytes with SHA-256 {sha256}; "
                + $"{file.Name} has {file.ContentBytes} bytes with {file.ContentSha256}.");
        }
    }
}
