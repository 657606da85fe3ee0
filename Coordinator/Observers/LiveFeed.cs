using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

// Sends the state of a run to browsers as server-sent events: first all of it, then the changes, at last the end. Each browser gets what
// it lacks when it can take it: a slow one misses intermediate steps, and costs no memory.
internal sealed class LiveFeed(LiveRun run, LiveFiles files)
{
    public const int MaxClients = 16; // Concurrent browsers; more are rejected

    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _filesInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _retry = TimeSpan.FromSeconds(1);
    private static readonly byte[] _empty = "{}"u8.ToArray();
    private readonly SemaphoreSlim _places = new(MaxClients);

    public Task AnswerAsync(HttpContext context) =>
        LiveAnswer.LimitAsync(context, _places, $"{MaxClients} pages are open; close one, or try again later", async () =>
        {
            LiveAnswer.SetHeaders(context.Response, "text/event-stream; charset=utf-8");
            if (HttpMethods.IsGet(context.Request.Method))
                await TypedResults.ServerSentEvents(FollowAsync(context.RequestAborted)).ExecuteAsync(context);
        });

    /// <summary>Completes when all browsers have disconnected or the timeout expires; later ones are rejected.</summary>
    public async Task WhenDoneAsync(TimeSpan timeout)
    {
        using var limit = new CancellationTokenSource(timeout);
        try
        {
            for (var places = 0; places < MaxClients; places++) await _places.WaitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async IAsyncEnumerable<SseItem<byte[]>> FollowAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        var seen = default(LiveCursor);
        var written = Environment.TickCount64;
        IReadOnlyList<LiveFile>? listed = null;
        long looked = 0;
        while (true)
        {
            // Read before the state, so that the last message includes every change.
            var isEnd = run.Ended.IsCompleted;
            var message = run.Since(ref seen);
            if (isEnd || listed is null || Environment.TickCount64 - looked >= _filesInterval.TotalMilliseconds)
            {
                looked = Environment.TickCount64;
                var existing = files.Existing();
                if (listed is null || !existing.SequenceEqual(listed)) message = (message ?? new()) with { Files = listed = existing };
            }
            if (message is not null || Environment.TickCount64 - written >= _heartbeat.TotalMilliseconds)
            {
                yield return message is null ? new(_empty, "beat") : new(LiveJson.Of(message)) { ReconnectionInterval = _retry };
                written = Environment.TickCount64;
            }
            if (isEnd)
            {
                yield return new(_empty, "end");
                yield break;
            }
            await Task.WhenAny(run.Ended, Task.Delay(_interval, cancel));
            cancel.ThrowIfCancellationRequested();
        }
    }
}
