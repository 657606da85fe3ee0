using System.Collections.Concurrent;
using Akka.Actor;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Status;
using Microsoft.AspNetCore.Http;
using Prometheus;

namespace Distributed.Coordinator.Commands;

/// <summary>
/// What a coordinator serves over HTTP, at two places: metrics and probes, for those that watch over it, and the page with the run's files, for
/// people, which is on loopback or asks for a token. They answer from the beginning, which may last.
/// </summary>
internal sealed class RunServers : IAsyncDisposable
{
    private readonly StatusServer _metrics;
    private readonly StatusServer _page;
    private readonly ConcurrentDictionary<string, RequestDelegate> _pages;

    private RunServers(StatusServer metrics, StatusServer page, ConcurrentDictionary<string, RequestDelegate> pages, RunState run, ReaderToken? token)
    {
        (_metrics, _page, _pages) = (metrics, page, pages);
        Metrics = PageAddress.Of(metrics.Address, run.MetricsBind ?? run.Bind, run.Host);
        Page = PageAddress.Of(page.Address, run.PageBind, run.Host, token);
    }

    /// <summary>Where others reach the metrics.</summary>
    public Uri Metrics { get; }

    /// <summary>Where people reach the page, with what it takes.</summary>
    public Uri Page { get; }

    /// <param name="run">Where.</param>
    /// <param name="notReady">Why the coordinator cannot do its work now; null when it can.</param>
    /// <param name="targets">Where the metrics of the workers are.</param>
    /// <param name="coordinator">The coordinator's actor, as soon as there is one.</param>
    /// <param name="refused">Is told of each command without the token of the job.</param>
    /// <exception cref="IOException">One cannot listen where it should.</exception>
    public static async Task<RunServers> StartAsync(
        RunState run, CollectorRegistry registry, Func<string?> notReady, ScrapeTargets targets, Func<IActorRef> coordinator, Action refused, CancellationToken cancel)
    {
        var names = new HostNames([run.Host, run.Bind, run.MetricsBind, run.PageBind, .. run.AllowedHosts]);
        var metrics = await StatusServer.StartAsync(run.MetricsBind ?? run.Bind ?? run.Host, run.MetricsPort, registry, notReady, new()
        {
            Names = names,
            Pages = new Dictionary<string, RequestDelegate> { [ScrapeTargets.Path] = targets.AnswerAsync },
        }, cancel);
        try
        {
            var pages = new ConcurrentDictionary<string, RequestDelegate>(StringComparer.Ordinal);
            var bind = run.PageBind ?? PageAddress.Default;
            var token = await LocalAddresses.IsLoopbackAsync(bind, cancel) ? null : ReaderToken.Of(run.Token);
            var page = await StatusServer.StartAsync(bind, run.PagePort, registry, notReady, new()
            {
                Names = names,
                Token = token,
                Command = DrainRequest.For(run.Token, coordinator, refused),
                Pages = pages,
                IsComplete = () => !pages.IsEmpty,
            }, cancel);
            return new(metrics, page, pages, run, token);
        }
        catch
        {
            await metrics.DisposeAsync();
            throw;
        }
    }

    public void Show(LivePage page)
    {
        foreach (var (path, answer) in page.Pages) _pages[path] = answer;
    }

    /// <summary>The state of the run, with the ports that they have.</summary>
    public RunState At(RunState run) => run with { MetricsPort = _metrics.Address.Port, PagePort = _page.Address.Port };

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _metrics.DisposeAsync();
    }
}
