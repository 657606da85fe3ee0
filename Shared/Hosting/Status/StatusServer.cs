using System.Net;
using System.Net.Sockets;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Prometheus;

namespace Distributed.Hosting.Status;

/// <summary>
/// What a process tells whoever watches it, over plain HTTP: GET /metrics for Prometheus, GET /healthz (200 while the process is
/// alive) and GET /readyz (200, or 503 with the reason) for an orchestrator's probes, and pages of its own. It answers under its own names only. On
/// this machine, whoever holds the token of the job may give a command, if there is one; everybody else only reads.
/// </summary>
internal sealed class StatusServer : IAsyncDisposable
{
    /// <summary>Connections at a time. When there are more, the one that has asked for nothing for longest is closed.</summary>
    public const int MaxConnections = 256;

    /// <summary>Bytes of a request's first line.</summary>
    public const int MaxRequestLine = 1024;

    /// <summary>Bytes of all headers of a request.</summary>
    public const int MaxRequestHeaders = 8 * 1024;

    private static readonly TimeSpan _requestTimeout = TimeSpan.FromSeconds(5);

    // A slower reader would occupy one of few places. What was read fast before counts in its favour, so a download has a timeout of its own.
    private static readonly MinDataRate _slowestReader = new(bytesPerSecond: 6 * 1024, gracePeriod: TimeSpan.FromSeconds(5));

    // Between requests, and before the first. Prometheus keeps its connection where it asks more often.
    private static readonly TimeSpan _silenceTimeout = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan _shutdownTimeout = TimeSpan.FromSeconds(1);

    private readonly WebApplication _app;
    private readonly CollectorRegistry _registry;
    private readonly Func<string?> _notReady;
    private readonly StatusOptions _options;
    private readonly HttpMetrics _metrics;

    private StatusServer(IPEndPoint endPoint, CollectorRegistry registry, Func<string?> notReady, StatusOptions options)
    {
        (_registry, _notReady, _options, _metrics) = (registry, notReady, options, new(registry));
        _app = Build(endPoint, new(MaxConnections, _metrics.ConnectionRefused));
        _app.Run(AnswerAsync);
    }

    /// <summary>Where it listens, with the port that it got.</summary>
    public Uri Address => new(_app.Urls.Single());

    /// <summary>Starts a server; from then on it answers until it is disposed of.</summary>
    /// <param name="host">IP address or name of this machine; 0.0.0.0 for all of its interfaces.</param>
    /// <param name="port">0 to 65535, 0 for a free one.</param>
    /// <param name="notReady">Why the process cannot do its work now, in a user's words; null when it can. Called from any thread.</param>
    /// <param name="options">What else it answers, and to whom; null for nothing else, to everybody.</param>
    /// <exception cref="IOException">It cannot listen there; the message says why.</exception>
    public static async Task<StatusServer> StartAsync(
        string host, int port, CollectorRegistry registry, Func<string?> notReady, StatusOptions? options = null, CancellationToken cancel = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(host);
        ArgumentOutOfRangeException.ThrowIfNegative(port);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, IPEndPoint.MaxPort);
        StatusServer? server = null;
        try
        {
            server = new(new(await ListenAddress.OfAsync(host, cancel).ConfigureAwait(false), port), registry, notReady, options ?? new());
            await server._app.StartAsync(cancel).ConfigureAwait(false);
            return server;
        }
        catch (Exception e)
        {
            if (server is not null) await server.DisposeAsync().ConfigureAwait(false);
            if (e is not (IOException or SocketException)) throw;
            throw new IOException($"The status server cannot listen on {host}, port {port}: {e.Message} " +
                "Give an address of this machine, and a port that is free (0 takes any).", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(_shutdownTimeout);
        await _app.StopAsync(patience.Token).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    // The empty builder, as the others read settings files and environment variables, which could open more ports.
    private static WebApplication Build(IPEndPoint endPoint, StatusConnections connections)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSingleton<IHostLifetime, ProcessOfItsOwn>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxRequestBufferSize = MaxRequestLine + MaxRequestHeaders;
            kestrel.Limits.MaxRequestLineSize = MaxRequestLine;
            kestrel.Limits.MaxRequestHeadersTotalSize = MaxRequestHeaders;
            kestrel.Limits.RequestHeadersTimeout = _requestTimeout;
            kestrel.Limits.KeepAliveTimeout = _silenceTimeout;
            kestrel.Limits.MinResponseDataRate = _slowestReader;
            kestrel.Listen(endPoint, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(connections.Limit);
            });
        });
        return builder.Build();
    }

    private Task AnswerAsync(HttpContext context)
    {
        StatusConnections.Serve(context);
        var (request, response) = (context.Request, context.Response);
        if (!_options.Names.Allows(request.Host.Host, context.Connection.LocalIpAddress))
        {
            _metrics.NameRefused();
            return Refuse(response, StatusCodes.Status421MisdirectedRequest,
                $"this is not {Shown.Of(request.Host.Host)}; it answers as {string.Join(", ", _options.Names.Names)} and at its own addresses, and --allow-host adds a name");
        }
        if (_options.Command is { } command && request.Path.Value == command.Path) return CommandAsync(context, command);
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            response.Headers.Allow = "GET, HEAD";
            return Refuse(response, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD are allowed");
        }
        if (_options.Token is { } token && !token.Admits(request)) return Admit(context, token);
        return request.Path.Value switch
        {
            "/metrics" => MetricsAsync(response, context.RequestAborted),
            "/healthz" => Text(response, StatusCodes.Status200OK, "ok"),
            "/readyz" when _notReady() is { } reason => Text(response, StatusCodes.Status503ServiceUnavailable, reason),
            "/readyz" => Text(response, StatusCodes.Status200OK, "ok"),
            { } path when _options.Pages.TryGetValue(path, out var page) => page(context),
            _ when !_options.IsComplete() => Text(response, StatusCodes.Status503ServiceUnavailable, "the run is starting: its page is not there yet"),
            _ => Text(response, StatusCodes.Status404NotFound, string.Join(", ", ["there are /metrics, /healthz, /readyz", .. _options.Pages.Keys])),
        };
    }

    private Task Admit(HttpContext context, ReaderToken token)
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        if (token.IsShown(context.Request))
        {
            token.Keep(context);
            return Task.CompletedTask;
        }
        _metrics.ReaderRefused();
        context.Response.Headers.WWWAuthenticate = StatusCommand.Scheme;
        return Refuse(context.Response, StatusCodes.Status401Unauthorized, $"open the address that was printed where this was started: it ends in ?{ReaderToken.Parameter}=...");
    }

    // Its body is not read, so the connection cannot be used again; said, so that no client tries to.
    private static Task Refuse(HttpResponse response, int status, string text)
    {
        response.Headers.Connection = "close";
        return Text(response, status, text);
    }

    private static async Task CommandAsync(HttpContext context, StatusCommand command)
    {
        var (request, response) = (context.Request, context.Response);
        // As above: no command has a body.
        response.Headers.Connection = "close";
        // The token would have crossed a network in the clear.
        if (!IsOfThisMachine(context.Connection))
        {
            command.Refused();
            await Text(response, StatusCodes.Status403Forbidden, $"{command.Path} is for this machine alone").ConfigureAwait(false);
            return;
        }
        if (!HttpMethods.IsPost(request.Method))
        {
            response.Headers.Allow = "POST";
            await Text(response, StatusCodes.Status405MethodNotAllowed, "only POST is allowed").ConfigureAwait(false);
            return;
        }
        if (!command.Allows(request.Headers.Authorization))
        {
            command.Refused();
            response.Headers.WWWAuthenticate = StatusCommand.Scheme;
            await Text(response, StatusCodes.Status401Unauthorized, $"the token of the job is needed, as Authorization: {StatusCommand.Scheme} and its hexadecimal digits").ConfigureAwait(false);
            return;
        }
        if (request.Query[command.Parameter] is not [{ Length: > 0 } value])
        {
            await Text(response, StatusCodes.Status400BadRequest, $"{command.Path} needs ?{command.Parameter}= once").ConfigureAwait(false);
            return;
        }
        var answer = await command.RunAsync(value, context.RequestAborted).ConfigureAwait(false);
        await Text(response, answer.Status, answer.Text).ConfigureAwait(false);
    }

    private static bool IsOfThisMachine(ConnectionInfo connection) =>
        connection.RemoteIpAddress is { } remote && (IPAddress.IsLoopback(remote) || remote.Equals(connection.LocalIpAddress));

    private Task MetricsAsync(HttpResponse response, CancellationToken cancel)
    {
        response.ContentType = PrometheusConstants.TextContentTypeWithVersionAndEncoding;
        return _registry.CollectAndExportAsTextAsync(response.Body, cancel);
    }

    private static Task Text(HttpResponse response, int status, string text)
    {
        response.StatusCode = status;
        response.ContentType = "text/plain; charset=utf-8";
        return response.WriteAsync(text, response.HttpContext.RequestAborted);
    }

    /// <summary>Keeps the host away from Ctrl-C and SIGTERM, which it would otherwise take from the process as a whole.</summary>
    private sealed class ProcessOfItsOwn : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
