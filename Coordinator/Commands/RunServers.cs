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

// The two HTTP servers of a coordinator: one for Prometheus and probes, one for the live page and the run's files, which is on loopback or
// asks for a token. Both answer before training begins, since probing and waiting for workers may take long.
internal sealed class RunServers : IAsyncDisposable
{
    private readonly StatusServer _metrics;
    private readonly StatusServer _page;
    private readonly ConcurrentDictionary<string, RequestDelegate> _pages;

    private RunServers(
        StatusServer metrics, StatusServer page, ConcurrentDictionary<string, RequestDelegate> pages, RunState run, ReaderToken? token)
    {
        (_metrics, _page, _pages) = (metrics, page, pages);
        Metrics = PageAddress.Of(metrics.Address, run.MetricsBind ?? run.Bind, run.Host);
        Page = PageAddress.Of(page.Address, run.PageBind, run.Host, token);
    }

    public Uri Metrics { get; }
    public Uri Page { get; } // With the reader's token, if one is needed

    /// <param name="notReady">Why the coordinator is not ready; null when it is.</param>
    /// <param name="refused">Called for each command without the token of the job.</param>
    public static async Task<RunServers> StartAsync(
        RunState run, CollectorRegistry registry, Func<string?> notReady, ScrapeTargets targets, Func<IActorRef> coordinator,
        Action refused, CancellationToken cancel)
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

    public RunState At(RunState run) => run with { MetricsPort = _metrics.Address.Port, PagePort = _page.Address.Port };

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _metrics.DisposeAsync();
    }
}
