using System.Globalization;
using System.Text.Json;
using Distributed.Bench.Processes;
using Distributed.Hosting.Processes;

namespace Distributed.Bench.Simulation;

internal static class SimulateCommand
{
    private const int MaxWorkers = 10_000, MaxSteps = 100_000;

    private static readonly TimeSpan _warmUp = TimeSpan.FromMilliseconds(700);
    private static readonly TimeSpan _measured = TimeSpan.FromSeconds(1);

    /// <summary>Writes a line of JSON for each number of workers, with CPU times in microseconds.</summary>
    /// <returns>Exit code.</returns>
    public static int Run(string workers)
    {
        foreach (var text in workers.Split(','))
        {
            if (!int.TryParse(text, CultureInfo.InvariantCulture, out var count) || count is < 2 or > MaxWorkers)
            {
                return CommandLine.Fail(
                    CommandLine.BadInput, $"--workers has '{text}'; allowed: numbers from 2 to {MaxWorkers}, separated by commas");
            }
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                what = "simulate",
                workers = count,
                step_us = Microseconds(count, cluster => cluster.Step()),
                recorded_step_us = Microseconds(count, cluster => cluster.RecordedStep()),
                reconfiguration_us = Microseconds(count, cluster => cluster.RemoveAndRejoin()) / 2,
            }));
        }
        return 0;
    }

    private static double Microseconds(int workers, Action<SimulatedCluster> action)
    {
        using var folder = new TemporaryFolder();
        using var cluster = new SimulatedCluster(folder["run"], workers, MaxSteps);
        Repeat(_warmUp, MaxSteps / 4);
        return Repeat(_measured, MaxSteps / 2);

        // CPU time of the whole process, to include garbage collection.
        double Repeat(TimeSpan atLeast, int atMost)
        {
            var (begin, times) = (Environment.CpuUsage.TotalTime, 0);
            for (; times < atMost && Environment.CpuUsage.TotalTime - begin < atLeast; times++) action(cluster);
            return (Environment.CpuUsage.TotalTime - begin).TotalMicroseconds / times;
        }
    }
}
