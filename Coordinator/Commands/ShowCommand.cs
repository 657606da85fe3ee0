using System.CommandLine;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>Serves the live page of a run that has no coordinator any more.</summary>
internal static class ShowCommand
{
    public static Command Create()
    {
        var run = Declare.Required("--run", "Folder of the run.");
        var host = Declare.Text("--host", PageAddress.Default,
            "Address of this machine to serve the page at; unless it is loopback, readers need the token in the printed address.");
        var port = Declare.Port("--port", "the page");
        var allowedHosts = AllowHostOption.Create();
        return Declare.Command("show",
            "Shows a run from its files on the live page, until Ctrl-C. "
            + "Exit code 1: it cannot listen at the address; 2: there is no such run. Example: show --run runs/mine --port 8080",
            [run, host, port, allowedHosts],
            (parsed, _) => RunAsync(parsed.GetRequiredValue(run), parsed.GetRequiredValue(host), new()
            {
                Bind = parsed.GetRequiredValue(host),
                Port = parsed.GetValue(port),
                AllowedHosts = parsed.GetValue(allowedHosts) ?? [],
            }, metrics: null));
    }

    /// <summary>Shows a finished run at the addresses of its coordinator, and answers probes there.</summary>
    internal static Task<int> StayAsync(string folder, TrainArguments arguments) => RunAsync(
        folder, arguments.Host, arguments.Page, (arguments.Page.MetricsBind ?? arguments.Bind ?? arguments.Host, arguments.MetricsPort));

    private static async Task<int> RunAsync(string folder, string host, PageArguments place, (string Bind, int Port)? metrics)
    {
        var page = new LivePage(Failures.Input(() => Read(folder)), folder);
        using var signals = new Signals(onInterrupt: true);
        try
        {
            await ServeAsync(page, folder, host, place, metrics, signals.Stopping);
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
        }
        return 0;
    }

    private static async Task ServeAsync(
        LivePage page, string folder, string host, PageArguments place, (string Bind, int Port)? metrics, CancellationToken stopping)
    {
        var (bind, registry) = (place.Bind ?? PageAddress.Default, Prometheus.Metrics.NewCustomRegistry());
        var names = new HostNames([host, bind, metrics?.Bind, .. place.AllowedHosts]);
        var token = await LocalAddresses.IsLoopbackAsync(bind, stopping) ? null : ReaderToken.New();
        await using var probed = metrics is { } at
            ? await StatusServer.StartAsync(at.Bind, at.Port, registry, () => null, new() { Names = names }, stopping) : null;
        await using var server = await StatusServer.StartAsync(
            bind, place.Port, registry, () => null, new() { Names = names, Token = token, Pages = page.Pages }, stopping);
        var address = PageAddress.Of(server.Address, bind, bind == host ? Environment.MachineName : host, token);
        Console.WriteLine($"Showing {folder} at {address} until Ctrl-C.");
        await Task.Delay(Timeout.Infinite, stopping);
    }

    private static LiveRun Read(string folder)
    {
        var job = JobFile.Load(RunStart.JobFileOf(folder));
        var live = LiveRun.Of(RunStart.NameOf(folder), job);
        var recorded = new RecordedLines(LocalDisk.Instance, folder);
        Warn(RunFiles.History, recorded.History(tell: live.Recalled).Found);
        Warn(RunFiles.Evaluations, recorded.Evaluations(job.Kind.Metric, tell: live.Recalled).Found);
        RunEvent? last = null;
        RunEvent.ReadAll(LocalDisk.Instance, Path.Combine(folder, RunFiles.Events), happened =>
        {
            if (last is not null) live.Recalled(last);
            last = happened;
        });
        // The last event tells how the run ended.
        if (last is not null) live.Happened(last);
        live.End();
        return live;

        static void Warn(string name, FoundLines found)
        {
            if (found.Fault is { } line)
                Console.Error.WriteLine($"warning: {name}: line {line} cannot be read; the page shows what is before it");
        }
    }
}
