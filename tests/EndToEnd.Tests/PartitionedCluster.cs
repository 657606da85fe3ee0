using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>A coordinator and three workers, each on a machine of its own; training needs all of them.</summary>
internal sealed partial class PartitionedCluster(Job job, NetworkNamespaces network, TrainingRun run, IReadOnlyList<ProgramRun> workers)
    : IDisposable
{
    /// <summary>Longer than all timeouts: of a link 15 to 25 s, of the cluster 15 to 20 s.</summary>
    public static readonly TimeSpan LongEnough = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(50);

    public NetworkNamespaces Network => network;

    public TrainingRun Run => run;

    public ProgramRun West => workers[^1];

    public static async Task<PartitionedCluster> StartAsync(Job job)
    {
        var network = NetworkNamespaces.Create("center", "north", "south", "west");
        TrainingRun? run = null;
        List<ProgramRun> workers = [];
        try
        {
            run = TrainingRun.StartOn(network["center"], job, "--workers", "0", "--min-workers", "3");
            var coordinator = (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;
            foreach (var machine in (NetworkNamespaces.Machine[])[network["north"], network["south"], network["west"]])
                workers.Add(ProgramRun.Start(
                    machine.Command, BuiltFiles.Worker,
                    ["--coordinator", coordinator, "--device", "cpu", "--name", machine.Name, "--host", $"{machine.Address}",
                        "--token-file", run.TokenFile], ("TMPDIR", run.Temporary)));
            return new(job, network, run, workers);
        }
        catch
        {
            foreach (var worker in workers) worker.Dispose();
            run?.Dispose();
            network.Dispose();
            throw;
        }
    }

    /// <summary>Waits until it has trained for a while.</summary>
    public async Task TrainsOnAsync()
    {
        using var deadline = new CancellationTokenSource(ProgramRun.Timeout);
        for (var enough = run.Recorded + 100; run.Recorded < enough;)
        {
            if (deadline.IsCancellationRequested)
                Assert.Fail($"The run makes no progress from step {run.Recorded}.\n{string.Join('\n', run.Coordinator.Output)}\n"
                    + $"west:\n{string.Join('\n', West.Output.TakeLast(30))}");
            await Task.Delay(_poll);
        }
    }

    /// <summary>Waits for the end of the run, and checks its result.</summary>
    public async Task EndsAsync()
    {
        await run.Coordinator.EndsWithAsync(0, _timeout);
        foreach (var worker in workers) await worker.EndsWithAsync(0);
        Assert.Equal((3, run.Report.SamplesExpected), (run.Report.Workers, run.Report.SamplesApplied));
        Assert.Empty(run.Coordinator.Errors);
        run.RequireNothingLeft();
        using var undisturbed = TrainingRun.Start(job, "--workers", "1");
        await undisturbed.Coordinator.EndsWithAsync(0, _timeout);
        Assert.Equal(undisturbed.Model, run.Model);
    }

    public void Dispose()
    {
        foreach (var worker in workers) worker.Dispose();
        run.Dispose();
        network.Dispose();
    }

    /// <summary>The line that reports the eviction of the worker that is cut off.</summary>
    [GeneratedRegex(@"^west (is lost|was turned away): ")]
    public static partial Regex Gone();

    [GeneratedRegex(@"^Waiting for 3 worker\(s\): .* --coordinator (\S+) --token-file \S+$")]
    private static partial Regex WaitingAt();
}
