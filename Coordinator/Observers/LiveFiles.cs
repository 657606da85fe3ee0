using System.Buffers;
using Distributed.Jobs.Runs;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

// Serves the files of a run that are public. Each is named here: no part of a request becomes part of a path, and other files, above all
// the one with the token of the job, cannot be requested.
internal sealed class LiveFiles(string folder)
{
    public const int MaxDownloads = 16; // Concurrent downloads; more are rejected
    public const string Root = "/files/";
    private const int Block = 64 * 1024;

    /// <summary>The server's own limit lets a reader pause for minutes once it has read megabytes fast.</summary>
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

    public IEnumerable<KeyValuePair<string, RequestDelegate>> Pages() => _files.Select(file =>
        KeyValuePair.Create<string, RequestDelegate>(Root + file.Name, context => AnswerAsync(context, file.Name, file.ContentType)));

    private Task AnswerAsync(HttpContext context, string name, string contentType) =>
        LiveAnswer.LimitAsync(context, _places, $"{MaxDownloads} files are being read; try again later", async () =>
        {
            try
            {
                await using var file = new FileStream(
                    Path.Combine(folder, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1,
                    FileOptions.Asynchronous);
                LiveAnswer.SetHeaders(context.Response, contentType);
                context.Response.Headers.ContentDisposition = $"attachment; filename=\"{name}\"";
                // The file may grow meanwhile; its present length is sent.
                var length = file.Length;
                context.Response.ContentLength = length;
                if (HttpMethods.IsGet(context.Request.Method)) await SendAsync(context, file, length);
            }
            catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
            {
                await LiveAnswer.RejectAsync(context, "the run has no such file yet", StatusCodes.Status404NotFound);
            }
        });

    private static async Task SendAsync(HttpContext context, FileStream file, long length)
    {
        var block = ArrayPool<byte>.Shared.Rent(Block);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        try
        {
            for (var left = length; left > 0;)
            {
                timeout.CancelAfter(_blockTimeout);
                var read = await file.ReadAsync(block.AsMemory(0, (int)Math.Min(left, Block)), timeout.Token);
                if (read == 0) throw new EndOfStreamException();
                await context.Response.Body.WriteAsync(block.AsMemory(0, read), timeout.Token);
                left -= read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
