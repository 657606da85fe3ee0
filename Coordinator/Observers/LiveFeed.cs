using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

/// <summary>
/// Tells browsers how a run goes, as server-sent events: first all there is, then what has changed, at the end that it is the end.
/// Each is told what it lacks when it can take it, so that one that is slow misses steps on the way but costs no memory.
/// </summary>
internal sealed class LiveFeed(LiveRun run, LiveFiles files)
{
    /// <summary>Browsers at a time; more are refused.</summary>
    public const int MaxClients = 16;

    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _filesInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _retry = TimeSpan.FromSeconds(1);
    private static readonly byte[] _empty = "{}"u8.ToArray();

    private readonly SemaphoreSlim _places = new(MaxClients);

    public async Task AnswerAsync(HttpContext context)
    {
        if (!_places.Wait(0))
        {
            await LiveHeaders.RefuseAsync(context, $"{MaxClients} pages are open; close one, or try again later");
            return;
        }
        try
        {
            LiveHeaders.Set(context.Response, "text/event-stream; charset=utf-8");
            if (HttpMethods.IsGet(context.Request.Method)) await TypedResults.ServerSentEvents(FollowAsync(context.RequestAborted)).ExecuteAsync(context);
        }
        catch (Exception error) when (error is OperationCanceledException or IOException)
        {
            // The reader has gone, or was too slow.
            context.Abort();
        }
        finally
        {
            _places.Release();
        }
    }

    /// <summary>Returns when nobody is told anything any more, or the patience is at its end; from then on nobody is.</summary>
    public async Task WhenDoneAsync(TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience);
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
            // Asked before the state is, so that nothing comes behind the end.
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
