using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Shared.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>Machines that cannot reach each other for a while: all their packets vanish, and no connection breaks of itself.</summary>
public sealed partial class PartitionTests
{
    /// <summary>Long enough for everybody to give everybody up: a link does so after 15 to 25 s, the cluster after 15 to 20 s.</summary>
    private static readonly TimeSpan _partition = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task A_mesh_that_falls_apart_and_comes_together_again_changes_no_bit()
    {
        using var cluster = await Cluster.StartAsync(Jobs.Medium with { Topology = "mesh", Epochs = 60 });
        var (network, run) = (cluster.Network, cluster.Run);

        await cluster.TrainsOnAsync();
        network.CutOff("west");
        await Task.Delay(_partition);
        network.Rejoin("west");

        // The three would train on, and be done before anybody notices anything, if one of them were not slow.
        await cluster.TrainsOnAsync();
        network.Separate("west", "center");
        await cluster.West.Self.SlowDownAsync(until: Task.Delay(_partition));
        network.Unite("west", "center");

        await cluster.TrainsOnAsync();
        network.Separate("west", "south");
        await Task.Delay(_partition);
        network.Unite("west", "south");

        await cluster.EndsAsync();
        Assert.Equal(2, run.Coordinator.Output.Count(line => Gone().IsMatch(line) && !line.Contains(" cannot reach it over its link: ", StringComparison.Ordinal)));
        Assert.Contains(run.Report.Reconfigurations, g => g.Reason.StartsWith("the link between south and west broke: ", StringComparison.Ordinal)
            || g.Reason.StartsWith("the link between west and south broke: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_star_that_loses_a_worker_for_a_while_changes_no_bit()
    {
        using var cluster = await Cluster.StartAsync(Jobs.Medium with { Topology = "star" });
        await cluster.TrainsOnAsync();
        cluster.Network.CutOff("west");
        await Task.Delay(_partition);
        cluster.Network.Rejoin("west");
        await cluster.EndsAsync();
        Assert.Single(cluster.Run.Coordinator.Output, line => Gone().IsMatch(line));
    }

    [GeneratedRegex(@"^Waiting for 3 worker\(s\): .* --coordinator (\S+) --insecure$")]
    private static partial Regex WaitingAt();

    [GeneratedRegex(@"^west (is lost|was turned away): ")]
    private static partial Regex Gone();

    /// <summary>A coordinator and three workers, each on a machine of its own; training needs all of them.</summary>
    private sealed class Cluster(Job job, NetworkNamespaces network, TrainingRun run, IReadOnlyList<ProgramRun> workers) : IDisposable
    {
        private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(50);

        public NetworkNamespaces Network => network;

        public TrainingRun Run => run;

        public ProgramRun West => workers[^1];

        public static async Task<Cluster> StartAsync(Job job)
        {
            var network = NetworkNamespaces.Create("center", "north", "south", "west");
            TrainingRun? run = null;
            List<ProgramRun> workers = [];
            try
            {
                run = TrainingRun.StartOn(network["center"], job, "--workers", "0", "--min-workers", "3", "--insecure");
                var coordinator = (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;
                foreach (var machine in (NetworkNamespaces.Machine[])[network["north"], network["south"], network["west"]])
                    workers.Add(ProgramRun.Start(
                        machine.Command, BuiltFiles.Worker,
                        ["--coordinator", coordinator, "--device", "cpu", "--name", machine.Name, "--host", $"{machine.Address}", "--insecure"], ("TMPDIR", run.Temporary)));
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
            using var deadline = new CancellationTokenSource(ProgramRun.Patience);
            for (var enough = run.Recorded + 100; run.Recorded < enough;)
            {
                if (deadline.IsCancellationRequested)
                    Assert.Fail($"It does not train on from step {run.Recorded}.\n{string.Join('\n', run.Coordinator.Output)}\nwest:\n{string.Join('\n', West.Output.TakeLast(30))}");
                await Task.Delay(_poll);
            }
        }

        /// <summary>Waits for the end of the run, and requires that nothing is wrong with it.</summary>
        public async Task EndsAsync()
        {
            await run.Coordinator.EndsWithAsync(0, _patience);
            foreach (var worker in workers) await worker.EndsWithAsync(0);
            Assert.Equal((3, run.Report.SamplesExpected), (run.Report.Workers, run.Report.SamplesApplied));
            Assert.Empty(run.Coordinator.Errors);
            run.RequireNothingLeft();
            using var undisturbed = TrainingRun.Start(job, "--workers", "1");
            await undisturbed.Coordinator.EndsWithAsync(0, _patience);
            Assert.Equal(undisturbed.Model, run.Model);
        }

        public void Dispose()
        {
            foreach (var worker in workers) worker.Dispose();
            run.Dispose();
            network.Dispose();
        }
    }
}
