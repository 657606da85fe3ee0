using Distributed.EndToEnd.Tests.Processes;
using Distributed.Shared.Jobs;

namespace Distributed.EndToEnd.Tests;

[Collection(Torch.Name)]
public sealed class CheckpointTests
{
    private const int Cuts = 20;

    private static readonly Job _job = Jobs.Medium with { Epochs = 60, Checkpoint = new() { EverySteps = 7, Keep = 2 } };

    /// <summary>With every number of workers and in both topologies.</summary>
    [Fact]
    public async Task A_run_whose_processes_are_all_killed_again_and_again_ends_with_the_bits_of_the_undisturbed_one()
    {
        const int Seed = 1;
        var random = new Random(Seed);
        using var run = TrainingRun.Start(_job, "--workers", "2");
        var coordinator = run.Coordinator;
        for (var cut = 1; cut <= Cuts; cut++)
        {
            var before = Steps(run);
            // The last one goes on to the end.
            var until = Math.Max(before, 1) + random.Next(1, 40);
            await run.ReachesAsync(until, coordinator);
            var workers = coordinator.Children();
            coordinator.Self.Send(Signal.Kill);
            foreach (var worker in workers) worker.Send(Signal.Kill);
            await coordinator.EndsAsync();
            foreach (var checkpoint in Directory.EnumerateDirectories(run["checkpoints"], "step-?????????")) await InspectsAsync(checkpoint);
            var count = (cut % 3) + 1;
            coordinator = run.Resume($"{count}", "--set", $"topology={(cut % 2 == 0 ? "mesh" : "star")}");
        }
        await coordinator.EndsWithAsync(0);
        SameBits.Require(_job, run);
        coordinator.Dispose();
    }

    private static long Steps(TrainingRun run) => File.Exists(run["history.csv"]) ? File.ReadLines(run["history.csv"]).Count() - 1 : 0;

    private static async Task InspectsAsync(string checkpoint)
    {
        using var inspection = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", checkpoint]);
        await inspection.EndsWithAsync(0);
    }
}
