using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Observers;

/// <summary>What the page is made of, from within this program.</summary>
internal static class LiveAssets
{
    private const string Prefix = "live/";

    public static IEnumerable<KeyValuePair<string, RequestDelegate>> Pages() =>
        from resource in Assembly.GetExecutingAssembly().GetManifestResourceNames()
        where resource.StartsWith(Prefix, StringComparison.Ordinal)
        let name = resource[Prefix.Length..]
        select KeyValuePair.Create(name == "index.html" ? "/" : "/" + name, Answer(TypeOf(name), Read(resource)));

    private static RequestDelegate Answer(string contentType, byte[] content) => async context =>
    {
        LiveHeaders.Set(context.Response, contentType);
        context.Response.ContentLength = content.Length;
        if (HttpMethods.IsGet(context.Request.Method)) await context.Response.Body.WriteAsync(content, context.RequestAborted);
    };

    private static string TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        var other => throw new InvalidOperationException($"{name} is an asset of the live page, which has no type for {other}"),
    };

    private static byte[] Read(string resource)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
