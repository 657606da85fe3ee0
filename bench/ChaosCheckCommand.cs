using System.Diagnostics;
using Distributed.Bench.Processes;
using Distributed.Hosting.Processes;

namespace Distributed.Bench;

/// <summary>The long chaos check: digits with three workers, under more faults than a test has time for.</summary>
internal static class ChaosCheckCommand
{
    private const int Workers = 3;

    /// <summary>Faults lie in the first half of a job, and each waits until whoever joined before it takes part, some seconds later.</summary>
    private const int EpochsPerFault = 8;

    /// <summary>Small, so that faults and not gradients take the time, and with all that a replica can hold.</summary>
    private const string Model = "{name: cnn, channels: [8, 16], hidden: 32, batch-norm: true, dropout: 0.1}";

    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(15);

    /// <summary>Runs it; what it shows is shown.</summary>
    /// <returns>Exit code: 0 the same bits, 1 others or a failure, 2 bad input.</returns>
    public static async Task<int> RunAsync(int faults, long seed, string topology)
    {
        using var signals = new Signals(onInterrupt: true);
        var clock = Stopwatch.StartNew();
        var epochs = faults * EpochsPerFault;
        Console.WriteLine($"{faults} faults, seed {seed}, {epochs} epochs with {Workers} workers, topology {topology}");
        var command = ChildCommand.Dotnet(Programs.Coordinator,
            "train", "--workers", $"{Workers}", "--device", "cpu", "--set", $"epochs={epochs}", "--set", $"topology={topology}", "--set", $"model={Model}",
            "--chaos", $"random:{seed}:{faults}");
        using var process = Process.Start(new ProcessStartInfo(command.Program, command.Arguments))!;
        try
        {
            await process.WaitForExitAsync(signals.Stopping).ConfigureAwait(false);
            Console.WriteLine($"{faults} faults took {clock.Elapsed.TotalMinutes:0.0} minutes");
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            // A terminal has told the check too, which then sees to what it has started.
            using var patience = new CancellationTokenSource(_stopTimeout);
            await process.WaitForExitAsync(patience.Token).ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
            return CommandLine.Fail(1, "interrupted");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
