using System.Buffers;
using Distributed.Jobs.Runs;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

/// <summary>
/// The files of a run that anybody may read. They are named here, one by one: nothing of a request becomes part of a path, and what
/// is not named, above all the file that holds the token of the job, cannot be asked for.
/// </summary>
internal sealed class LiveFiles(string folder)
{
    /// <summary>Downloads at a time; more are refused.</summary>
    public const int MaxDownloads = 16;

    public const string Root = "/files/";

    private const int Block = 64 * 1024;

    // The server's own limit would let a reader stand still for minutes after it has read megabytes fast.
    private static readonly TimeSpan _blockTimeout = TimeSpan.FromSeconds(10);

    private static readonly (string Name, string ContentType)[] _files =
    [
        (RunFiles.Model, "application/octet-stream"),
        (RunFiles.Report, "application/json"),
        (RunFiles.LossPicture, "image/png"),
        (RunFiles.Picture, "image/png"),
        (RunFiles.History, "text/csv; charset=utf-8"),
        (RunFiles.Evaluations, "text/csv; charset=utf-8"),
        (RunFiles.Events, "application/jsonl; charset=utf-8"),
        (RunFiles.Job, "application/yaml; charset=utf-8"),
    ];

    private readonly SemaphoreSlim _places = new(MaxDownloads);

    public IReadOnlyList<LiveFile> Existing() =>
    [
        .. from file in _files
           let info = new FileInfo(Path.Combine(folder, file.Name))
           where info.Exists
           select new LiveFile(file.Name, info.Length),
    ];

    public IEnumerable<KeyValuePair<string, RequestDelegate>> Pages() =>
        _files.Select(file => KeyValuePair.Create<string, RequestDelegate>(Root + file.Name, context => AnswerAsync(context, file.Name, file.ContentType)));

    private async Task AnswerAsync(HttpContext context, string name, string contentType)
    {
        if (!_places.Wait(0))
        {
            await LiveHeaders.RefuseAsync(context, $"{MaxDownloads} files are being read; try again later");
            return;
        }
        try
        {
            await using var file = new FileStream(
                Path.Combine(folder, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1, FileOptions.Asynchronous);
            LiveHeaders.Set(context.Response, contentType);
            context.Response.Headers.ContentDisposition = $"attachment; filename=\"{name}\"";
            // It may grow meanwhile: what there is now is what is sent.
            var length = file.Length;
            context.Response.ContentLength = length;
            if (HttpMethods.IsGet(context.Request.Method)) await SendAsync(context, file, length);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            LiveHeaders.Set(context.Response, "text/plain; charset=utf-8");
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            await context.Response.WriteAsync("the run has no such file yet", context.RequestAborted);
        }
        finally
        {
            _places.Release();
        }
    }

    private static async Task SendAsync(HttpContext context, FileStream file, long length)
    {
        var block = ArrayPool<byte>.Shared.Rent(Block);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        try
        {
            for (var left = length; left > 0;)
            {
                patience.CancelAfter(_blockTimeout);
                var read = await file.ReadAsync(block.AsMemory(0, (int)Math.Min(left, Block)), patience.Token);
                if (read == 0) break;
                await context.Response.Body.WriteAsync(block.AsMemory(0, read), patience.Token);
                left -= read;
                if (left == 0) return;
            }
            if (length > 0) context.Abort();
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
