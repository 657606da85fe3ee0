using System.CommandLine;
using System.Net;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>Shows a run whose coordinator is gone on the page that it had.</summary>
internal static class ShowCommand
{
    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var run = new Option<string>("--run") { Description = "Folder of the run.", Required = true };
        var host = new Option<string>("--host") { Description = "Address of this machine that the page is reached at; at another one than loopback, a reader needs the token that is in the printed address.", DefaultValueFactory = _ => PageAddress.Default };
        var port = new Option<int>("--port") { Description = "Port of the page; 0 for a free one.", DefaultValueFactory = _ => 0 };
        var allowedHosts = AllowHostOption.Create();
        port.Within(0, IPEndPoint.MaxPort);
        var command = new Command("show",
            "Shows a run from its files, on the page that it has while it trains, until Ctrl-C. Exit code 1: it cannot listen there; 2: there is no such run. Example: show --run runs/mine --port 8080")
        {
            run, host, port, allowedHosts,
        };
        command.SetAction((parsed, _) => RunAsync(
            parsed.GetRequiredValue(run), parsed.GetRequiredValue(host), new() { Bind = parsed.GetRequiredValue(host), Port = parsed.GetValue(port), AllowedHosts = parsed.GetValue(allowedHosts) ?? [] }, metrics: null));
        return command;
    }

    /// <summary>Shows a finished run where its coordinator did, and answers those that watch over it.</summary>
    internal static Task<int> StayAsync(string folder, TrainArguments arguments) =>
        RunAsync(folder, arguments.Host, arguments.Page, (arguments.Page.MetricsBind ?? arguments.Bind ?? arguments.Host, arguments.MetricsPort));

    /// <summary>Shows it until a signal comes.</summary>
    private static async Task<int> RunAsync(string folder, string host, PageArguments place, (string Bind, int Port)? metrics)
    {
        LiveRun live;
        try
        {
            live = Read(folder);
        }
        catch (Exception error) when (error is JobException or RunFolderException or FormatException or IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        using var signals = new Signals(onInterrupt: true);
        try
        {
            var page = new LivePage(live, folder);
            var (bind, registry) = (place.Bind ?? PageAddress.Default, Prometheus.Metrics.NewCustomRegistry());
            var names = new HostNames([host, bind, metrics?.Bind, .. place.AllowedHosts]);
            var token = await LocalAddresses.IsLoopbackAsync(bind, signals.Stopping) ? null : ReaderToken.New();
            await using var probed = metrics is { } watched ? await StatusServer.StartAsync(watched.Bind, watched.Port, registry, () => null, new() { Names = names }, signals.Stopping) : null;
            await using var server = await StatusServer.StartAsync(bind, place.Port, registry, () => null, new() { Names = names, Token = token, Pages = page.Pages }, signals.Stopping);
            Console.WriteLine($"Showing {folder} at {PageAddress.Of(server.Address, bind, bind == host ? Environment.MachineName : host, token)} until Ctrl-C.");
            await Task.Delay(Timeout.Infinite, signals.Stopping).ContinueWith(_ => { }, TaskScheduler.Default);
            return 0;
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return 0;
        }
        catch (IOException error)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static LiveRun Read(string folder)
    {
        string In(string name) => Path.Combine(folder, name);
        if (!File.Exists(In(RunFiles.Job))) throw new RunFolderException($"'{In(RunFiles.Job)}' does not exist: '{folder}' is no folder of a run. Give one with --run.");
        var job = JobFile.Load(In(RunFiles.Job));
        var live = LiveRun.Of(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), job);
        var recorded = new RecordedLines(LocalDisk.Instance, folder);
        Complain(RunFiles.History, recorded.History(tell: live.Recalled).Found);
        Complain(RunFiles.Evaluations, recorded.Evaluations(job.Kind.Metric, tell: live.Recalled).Found);
        RunEvent? last = null;
        RunEvent.ReadAll(LocalDisk.Instance, In(RunFiles.Events), happened =>
        {
            if (last is not null) live.Recalled(last);
            last = happened;
        });
        // How it has ended is what happened last.
        if (last is not null) live.Happened(last);
        live.End();
        return live;

        static void Complain(string name, FoundLines found)
        {
            if (found.Fault is { } line) Console.Error.WriteLine($"warning: {name}: line {line} cannot be read; the page shows what is before it");
        }
    }
}
