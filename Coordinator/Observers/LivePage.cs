using System.Collections.Frozen;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

/// <summary>A page on which people follow a run in a browser: read-only, and complete in this program.</summary>
internal sealed class LivePage : IAsyncDisposable
{
    /// <summary>Path of the stream that tells how the run goes.</summary>
    public const string Events = "/events";

    private static readonly TimeSpan _farewell = TimeSpan.FromMilliseconds(500);

    private readonly LiveRun _run;
    private readonly LiveFeed _feed;

    public LivePage(LiveRun run, string folder)
    {
        var files = new LiveFiles(folder);
        (_run, _feed) = (run, new(run, files));
        Pages = LiveAssets.Pages().Concat(files.Pages()).Append(new(Events, _feed.AnswerAsync)).ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>What answers at which path, for a server.</summary>
    public IReadOnlyDictionary<string, RequestDelegate> Pages { get; }

    /// <summary>Ends the run, if it has not ended, and gives those that follow it a moment to hear how.</summary>
    public async ValueTask DisposeAsync()
    {
        _run.End();
        await _feed.WhenDoneAsync(_farewell);
    }
}
