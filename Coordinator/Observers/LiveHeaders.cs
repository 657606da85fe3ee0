using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

/// <summary>What every answer of the live page says to the browser.</summary>
internal static class LiveHeaders
{
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Set(HttpResponse response, string contentType)
    {
        var headers = response.Headers;
        response.ContentType = contentType;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        // No page of another site may have this as a script or a picture of its own.
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        // Another coordinator may answer at the same address.
        headers.CacheControl = "no-store";
        // A browser would keep some of the few connections open, and none is left for those that watch over the process.
        headers.Connection = "close";
    }

    /// <summary>Says that there are too many like this one.</summary>
    public static Task RefuseAsync(HttpContext context, string reason)
    {
        Set(context.Response, "text/plain; charset=utf-8");
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return context.Response.WriteAsync(reason, context.RequestAborted);
    }
}
