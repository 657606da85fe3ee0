using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Distributed.Coordinator.Chaos;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

/// <summary>Runs a job twice, the second time under faults, and compares the results.</summary>
internal static class ChaosCommand
{
    private const string Host = "127.0.0.1";

    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(100);

    /// <param name="arguments">The check chooses ports, host and the least number of workers itself.</param>
    /// <returns>Exit code: 0 the same bits, 1 other bits or a failure, 2 bad input.</returns>
    public static Task<int> RunAsync(string plan, TrainArguments arguments)
    {
        if (!ProcessSignal.IsSupported) throw new ChaosException(2, "--chaos needs signals, which Linux and macOS have");
        if (arguments.Workers < 1)
            throw new ChaosException(2, $"--workers is {arguments.Workers}; with --chaos allowed: 1 to 1024, started on this machine");
        // A killed process would leave its diagnostics socket behind, so that the processes started here create none.
        Environment.SetEnvironmentVariable("DOTNET_EnableDiagnostics", "0");
        var faults = ChaosPlan.Parse(plan);
        RejectUnsuitable(RunStart.ReadJob(arguments).Job);
        var folder = ChaosFolder.Create(arguments.Run, arguments.Overwrite);
        arguments = arguments with { Security = folder.Protect(arguments.Security) };
        return Failures.ReportAsync($"interrupted; what there is so far is in {folder.Path}",
            stopping => CheckAsync(faults, arguments, folder, stopping));
    }

    private static void RejectUnsuitable(Job job)
    {
        if (!job.IsExact)
        {
            var cause = job.IsWireHalf ? $"wire is {job.Wire}" : $"determinism is {job.Determinism}";
            throw new ChaosException(2, $"--chaos compares bits, which depend on the number of workers where {cause}; "
                + "allowed: wire float32 with determinism strict");
        }
        if (job.Auto != AutoSize.None)
            throw new ChaosException(2, "--chaos runs a job twice and needs batch and micro-batches as numbers: "
                + "train the job once, and give the job.yaml of that run");
    }

    private static async Task<int> CheckAsync(ChaosPlan plan, TrainArguments arguments, ChaosFolder folder, CancellationToken stopping)
    {
        var clock = Stopwatch.StartNew();
        await RunUndisturbedAsync(arguments, folder, stopping).ConfigureAwait(false);
        var (expected, expectedIn) = (ChaosResult.Read(folder.Undisturbed), clock.Elapsed);
        var faults = plan.For(expected.Steps, arguments.Workers);
        Console.WriteLine($"Faults: {string.Join(", ", faults)}");

        clock.Restart();
        ChaosOutcome outcome;
        var (port, linkPort) = FreePorts();
        string[] own =
        [
            "--run", folder.Disturbed, "--workers", "0", "--min-workers", "1",
            "--host", Host, "--port", $"{port}", "--link-port", $"{linkPort}", "--metrics-port", "0",
            .. arguments.Security.ToArguments(),
        ];
        var workers = new ChaosWorkers(
            name => WorkerProgram.Command(name, $"{Host}:{port}", arguments.Device, arguments.DataDirectory, arguments.Plugins,
                more: arguments.Security.ToArguments()),
            folder.LogOf);
        var run = new ChaosRun(folder, [.. JobOf(arguments), .. own], workers, faults, plan.Seed, TimeProvider.System);
        await using (run.ConfigureAwait(false))
            outcome = await run.RunAsync(arguments.Workers, stopping).ConfigureAwait(false);
        return Compare(faults.Length, outcome, folder, (expected, expectedIn), clock.Elapsed);
    }

    private static async Task RunUndisturbedAsync(TrainArguments arguments, ChaosFolder folder, CancellationToken stopping)
    {
        const string Name = "undisturbed";
        string[] own =
        [
            "--device", arguments.Device, .. arguments.DataDirectory is { } path ? (string[])["--data-dir", path] : [],
            .. PluginOption.Arguments(arguments.Plugins), "--run", folder.Undisturbed, "--workers", "1",
            .. arguments.Security.ToArguments(),
        ];
        var run = new TrainProcess(Name, [.. JobOf(arguments), .. own], folder.LogOf(Name));
        await using var _ = run.ConfigureAwait(false);
        var guard = new StallGuard(TimeProvider.System);
        using var timer = new PeriodicTimer(_interval);
        while (!run.Exit.IsCompleted)
        {
            if (guard.IsStalledAt(HistoryTail.LastStep(folder.Undisturbed)))
                throw new ChaosException(1, $"the undisturbed run has made no progress for {StallGuard.Timeout.TotalSeconds} s "
                    + $"(see {folder.LogOf(Name)})");
            await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false);
        }
        var exit = await run.Exit.ConfigureAwait(false);
        if (exit.ExitCode != 0)
            throw new ChaosException(exit.ExitCode == 2 ? 2 : 1,
                $"the undisturbed run failed: {exit.LastError ?? $"exit code {exit.ExitCode}"} (see {exit.LogPath})");
    }

    private static int Compare(
        int faults, ChaosOutcome outcome, ChaosFolder folder, (ChaosResult Result, TimeSpan Time) expected, TimeSpan time)
    {
        var found = outcome.HasEnded ? ChaosResult.Read(folder.Disturbed) : null;
        Console.WriteLine($"Carried out {outcome.CarriedOut} of {faults} fault(s)"
            + $"{Known(found?.Generations, "generation(s)")}{Known(found?.StepsRedone, "step(s) redone")}.");
        Console.WriteLine($"Undisturbed: {expected.Time.TotalSeconds:0.0} s, SHA-256 of model.safetensors {expected.Result.ModelSha256}");
        if (found is not null)
            Console.WriteLine($"Disturbed:   {time.TotalSeconds:0.0} s, SHA-256 of model.safetensors {found.ModelSha256}");
        Console.WriteLine($"Results: {folder.Path}");

        if (found is null) return CommandLine.Fail(1, outcome.Failures[0]);
        if (found.ModelSha256 != expected.Result.ModelSha256) return CommandLine.Fail(1, "the faults have changed the result");
        if (outcome.Failures.Count > 0) return CommandLine.Fail(1, $"the result is the same, but {outcome.Failures[0]}");
        if (outcome.CarriedOut < faults)
            return CommandLine.Fail(1,
                $"the job ended before {faults - outcome.CarriedOut} of {faults} fault(s); use more epochs, or earlier steps");
        Console.WriteLine("The result is the same, bit for bit.");
        return 0;
    }

    private static string Known(long? number, string what) => number is null ? "" : $", {number} {what}";

    private static IEnumerable<string> JobOf(TrainArguments arguments) =>
    [
        .. arguments.JobFile is { } job ? (string[])[job] : [],
        .. arguments.Overrides.SelectMany(setting => (string[])["--set", setting]),
        .. arguments.Overwrite ? (string[])["--overwrite"] : [],
    ];

    /// <summary>Two unused ports; both are held until both are known, so that they differ.</summary>
    private static (int First, int Second) FreePorts()
    {
        using var first = new TcpListener(IPAddress.Loopback, 0);
        using var second = new TcpListener(IPAddress.Loopback, 0);
        first.Start();
        second.Start();
        return (((IPEndPoint)first.LocalEndpoint).Port, ((IPEndPoint)second.LocalEndpoint).Port);
    }
}
