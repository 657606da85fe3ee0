using System.IO.Compression;
using System.Security.Cryptography;
using Distributed.Core;

namespace Distributed.Jobs.Data;

/// <summary>
/// Fetches gzip files whose content is known, and keeps the content. A file appears under its name whole and verified
/// or not at all, also when several processes fetch it at once.
/// </summary>
/// <param name="handler">How to reach the network; null for plain HTTP. Stays the caller's to dispose.</param>
/// <param name="timeout">How long one file may take, from connecting to its last byte.</param>
internal sealed class Downloader(HttpMessageHandler? handler, TimeSpan timeout)
{
    private static readonly TimeSpan _connectTimeout = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Downloads <paramref name="file"/>'s archive from under <paramref name="source"/> and writes its content into
    /// <paramref name="folder"/>, which is created.
    /// </summary>
    /// <exception cref="DataException">No answer in time, no success, other content, or a folder that cannot be written.</exception>
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
                File.Move(partial, Path.Combine(folder, file.Name), overwrite: true);
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
            throw new DataException($"{uri} is no intact gzip file: {e.Message}", e);
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
            if (total > file.ContentBytes) throw new DataException($"{uri} holds more than the {file.ContentBytes} bytes of {file.Name}.");
            hash.AppendData(buffer.AsSpan(0, read));
            await target.WriteAsync(buffer.AsMemory(0, read), cancel).ConfigureAwait(false);
        }
        var sha256 = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (sha256 != file.ContentSha256)
            throw new DataException($"{uri} holds {total} bytes with SHA-256 {sha256}; {file.Name} has {file.ContentBytes} bytes with {file.ContentSha256}.");
    }
}
