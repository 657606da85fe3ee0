using System.Collections.Frozen;
using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

/// <summary>The page that shows a run in a browser. It is read-only, and loads nothing from elsewhere.</summary>
internal sealed class LivePage : IAsyncDisposable
{
    public const string Events = "/events";
    private const string AssetPrefix = "live/";

    private static readonly TimeSpan _endTimeout = TimeSpan.FromMilliseconds(500);
    private readonly LiveRun _run;
    private readonly LiveFeed _feed;

    public LivePage(LiveRun run, string folder)
    {
        var files = new LiveFiles(folder);
        (_run, _feed) = (run, new(run, files));
        Pages = Assets().Concat(files.Pages()).Append(new(Events, _feed.AnswerAsync)).ToFrozenDictionary(StringComparer.Ordinal);
    }

    public IReadOnlyDictionary<string, RequestDelegate> Pages { get; } // The handler of each path

    /// <summary>Ends the run, and gives browsers a moment to receive how it ended.</summary>
    public async ValueTask DisposeAsync()
    {
        _run.End();
        await _feed.WhenDoneAsync(_endTimeout);
    }

    private static IEnumerable<KeyValuePair<string, RequestDelegate>> Assets() =>
        from resource in Assembly.GetExecutingAssembly().GetManifestResourceNames()
        where resource.StartsWith(AssetPrefix, StringComparison.Ordinal)
        let name = resource[AssetPrefix.Length..]
        select KeyValuePair.Create(name == "index.html" ? "/" : "/" + name, Answer(TypeOf(name), Read(resource)));

    private static RequestDelegate Answer(string contentType, byte[] content) => async context =>
    {
        LiveAnswer.SetHeaders(context.Response, contentType);
        context.Response.ContentLength = content.Length;
        if (HttpMethods.IsGet(context.Request.Method)) await context.Response.Body.WriteAsync(content, context.RequestAborted);
    };

    private static string TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        var other => throw new InvalidOperationException($"the live page has no content type for {other} of its asset {name}"),
    };

    private static byte[] Read(string resource)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}

internal static class LiveAnswer
{
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void SetHeaders(HttpResponse response, string contentType)
    {
        var headers = response.Headers;
        response.ContentType = contentType;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        // No page of another site may embed this as a script or a picture.
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        // Another coordinator may answer at the same address later.
        headers.CacheControl = "no-store";
        // A browser would hold some of the server's few connections open, which probes need.
        headers.Connection = "close";
    }

    /// <summary>Answers if there is a free place, else rejects; aborts the connection of a browser that has left or is too slow.</summary>
    public static async Task LimitAsync(HttpContext context, SemaphoreSlim places, string rejection, Func<Task> answer)
    {
        if (!places.Wait(0))
        {
            await RejectAsync(context, rejection);
            return;
        }
        try
        {
            await answer();
        }
        catch (Exception error) when (error is OperationCanceledException or IOException)
        {
            context.Abort();
        }
        finally
        {
            places.Release();
        }
    }

    public static Task RejectAsync(HttpContext context, string reason, int status = StatusCodes.Status503ServiceUnavailable)
    {
        SetHeaders(context.Response, "text/plain; charset=utf-8");
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(reason, context.RequestAborted);
    }
}
