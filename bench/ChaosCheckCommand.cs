using System.Diagnostics;
using Distributed.Bench.Processes;
using Distributed.Hosting.Processes;

namespace Distributed.Bench;

/// <summary>The long chaos check: digits on three workers under more faults than a test has time for.</summary>
internal static class ChaosCheckCommand
{
    private const int Workers = 3;

    /// <summary>Faults occur in the first half of a job; each waits some seconds until workers that joined before it take part.</summary>
    private const int EpochsPerFault = 8;

    /// <summary>Small, so that faults rather than gradients take the time, and with every kind of state.</summary>
    private const string Model = "{name: cnn, channels: [8, 16], hidden: 32, batch-norm: true, dropout: 0.1}";

    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(15);

    /// <returns>Exit code: 0 for the same bits, 1 for other bits or a failure, 2 for bad input.</returns>
    public static async Task<int> RunAsync(int faults, long seed, string topology)
    {
        using var signals = new Signals(onInterrupt: true);
        var clock = Stopwatch.StartNew();
        var epochs = faults * EpochsPerFault;
        Console.WriteLine($"{faults} faults, seed {seed}, {epochs} epochs with {Workers} workers, topology {topology}");
        var command = ChildCommand.Dotnet(Programs.Coordinator,
            "train", "--workers", $"{Workers}", "--device", "cpu", "--set", $"epochs={epochs}", "--set", $"topology={topology}",
            "--set", $"model={Model}", "--chaos", $"random:{seed}:{faults}");
        using var process = Process.Start(new ProcessStartInfo(command.Program, command.Arguments))!;
        try
        {
            await process.WaitForExitAsync(signals.Stopping).ConfigureAwait(false);
            Console.WriteLine($"{faults} faults took {clock.Elapsed.TotalMinutes:0.0} minutes");
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            // The terminal has interrupted the coordinator, too; it stops the processes that it started.
            using var timeout = new CancellationTokenSource(_stopTimeout);
            await process.WaitForExitAsync(timeout.Token).ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
            return CommandLine.Fail(1, "interrupted");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
