using System.Net;
using System.Net.Sockets;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Distributed.Transport.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Prometheus;

namespace Distributed.Hosting.Status;

/// <summary>A process's plain HTTP server: GET /metrics for Prometheus, GET /healthz (200 while the process is alive) and GET /readyz (200,
/// or 503 with the reason) for the probes of an orchestrator, and pages. It answers only under its own host names. If it has a command, a
/// caller on this machine with the token of the job may run it; all others only read.</summary>
internal sealed class StatusServer : IAsyncDisposable
{
    public const int MaxConnections = 256; // Connections at a time. If one more arrives, the one that has been idle for longest is closed.
    public const int MaxRequestLine = 1024;
    public const int MaxRequestHeaders = 8 * 1024;

    private static readonly TimeSpan _requestTimeout = TimeSpan.FromSeconds(5);

    // A slower reader would occupy one of few places. Earlier fast bytes count in its favour, so a download has its own timeout.
    private static readonly MinDataRate _slowestReader = new(bytesPerSecond: 6 * 1024, gracePeriod: TimeSpan.FromSeconds(5));

    // Between requests, and before the first. A Prometheus that scrapes more often keeps its connection.
    private static readonly TimeSpan _silenceTimeout = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan _shutdownTimeout = TimeSpan.FromSeconds(1);
    private readonly WebApplication _app;
    private readonly CollectorRegistry _registry;
    private readonly Func<string?> _notReady;
    private readonly StatusOptions _options;
    private readonly HttpMetrics _metrics;

    private StatusServer(IPEndPoint endPoint, CollectorRegistry registry, Func<string?> notReady, StatusOptions options)
    {
        (_registry, _notReady, _options, _metrics) =
            (registry, notReady, options, new(Prometheus.Metrics.WithCustomRegistry(registry)));
        _app = Build(endPoint, new(MaxConnections, _metrics.ConnectionRefused));
        _app.Run(AnswerAsync);
    }

    public Uri Address => new(_app.Urls.Single());

    /// <param name="notReady">Why the process cannot work now, in the user's words; null if it can. Called from any thread.</param>
    public static async Task<StatusServer> StartAsync(
        string host, int port, CollectorRegistry registry, Func<string?> notReady, StatusOptions? options = null,
        CancellationToken cancel = default)
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
            throw new IOException($"The status server cannot listen on {host}, port {port}: {e.Message} "
                + "Give an address of this machine, and a port that is free (0 takes any).", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var timeout = new CancellationTokenSource(_shutdownTimeout);
        await _app.StopAsync(timeout.Token).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    // The other builders read settings files and environment variables, which could open more ports.
    private static WebApplication Build(IPEndPoint endPoint, StatusConnections connections)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
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
            return AnswerAndClose(response, StatusCodes.Status421MisdirectedRequest, $"this is not {Shown.Of(request.Host.Host)}; "
                + $"its names are {string.Join(", ", _options.Names.Names)} and its own addresses, and --allow-host adds a name");
        }
        if (_options.Command is { } command && request.Path.Value == command.Path) return RunCommandAsync(context, command);
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            response.Headers.Allow = "GET, HEAD";
            return AnswerAndClose(response, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD are allowed");
        }
        if (_options.Token is { } token && !token.Admits(request)) return Admit(context, token);
        return request.Path.Value switch
        {
            "/metrics" => MetricsAsync(response, context.RequestAborted),
            "/healthz" => Text(response, StatusCodes.Status200OK, "ok"),
            "/readyz" when _notReady() is { } reason => Text(response, StatusCodes.Status503ServiceUnavailable, reason),
            "/readyz" => Text(response, StatusCodes.Status200OK, "ok"),
            { } path when _options.Pages.TryGetValue(path, out var page) => page(context),
            _ when !_options.IsComplete() =>
                Text(response, StatusCodes.Status503ServiceUnavailable, "the run is starting: its page is not there yet"),
            _ => Text(response, StatusCodes.Status404NotFound,
                string.Join(", ", ["there are /metrics, /healthz, /readyz", .. _options.Pages.Keys])),
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
        return AnswerAndClose(context.Response, StatusCodes.Status401Unauthorized,
            $"open the address that this process printed when it started: it ends in ?{ReaderToken.Parameter}=...");
    }

    // The body is not read, so the connection cannot be used again, which the header tells the client.
    private static Task AnswerAndClose(HttpResponse response, int status, string text)
    {
        response.Headers.Connection = "close";
        return Text(response, status, text);
    }

    private static Task RunCommandAsync(HttpContext context, StatusCommand command)
    {
        var (request, response) = (context.Request, context.Response);
        // From another machine, the token would have crossed a network in the clear.
        if (!IsOfThisMachine(context.Connection))
        {
            command.Refused();
            return AnswerAndClose(response, StatusCodes.Status403Forbidden, $"{command.Path} is only for callers on this machine");
        }
        if (!HttpMethods.IsPost(request.Method))
        {
            response.Headers.Allow = "POST";
            return AnswerAndClose(response, StatusCodes.Status405MethodNotAllowed, "only POST is allowed");
        }
        if (!command.Allows(request.Headers.Authorization))
        {
            command.Refused();
            response.Headers.WWWAuthenticate = StatusCommand.Scheme;
            return AnswerAndClose(response, StatusCodes.Status401Unauthorized,
                $"the token of the job is needed, as Authorization: {StatusCommand.Scheme} and its hexadecimal digits");
        }
        return request.Query[command.Parameter] is [{ Length: > 0 } value]
            ? RunAsync(value)
            : AnswerAndClose(response, StatusCodes.Status400BadRequest, $"{command.Path} needs ?{command.Parameter}= once");

        async Task RunAsync(string argument)
        {
            var answer = await command.RunAsync(argument, context.RequestAborted).ConfigureAwait(false);
            await AnswerAndClose(response, answer.Status, answer.Text).ConfigureAwait(false);
        }
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
}

/// <summary>Limits a server's connections. One without a request makes room for the next, so that strangers cannot block the
/// probes.</summary>
/// <param name="refused">Called for each connection that is closed for lack of room.</param>
internal sealed class StatusConnections(int capacity, Action<Refusal> refused)
{
    private readonly ConnectionPlaces _places = new(capacity);

    public ConnectionDelegate Limit(ConnectionDelegate next) => async connection =>
    {
        using var place = _places.Enter(ConnectionPlaces.OriginOf(connection.RemoteEndPoint), Close);
        if (place is null)
        {
            Close();
            return;
        }
        connection.Features.Set(place);
        await next(connection).ConfigureAwait(false);

        void Close()
        {
            refused(Refusal.Crowded);
            connection.Abort();
        }
    };

    /// <summary>Keeps the connection of a request until the answer has left.</summary>
    public static void Serve(HttpContext context)
    {
        if (context.Features.Get<ConnectionPlaces.Place>() is not { } place) return;
        place.MarkServed();
        context.Response.OnCompleted(() =>
        {
            place.MarkSilent();
            return Task.CompletedTask;
        });
    }
}
