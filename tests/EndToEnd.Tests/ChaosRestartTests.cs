using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>The chaos check with many faults, drawn at random.</summary>
public sealed class ChaosRestartTests
{
    private const int Faults = 30;

    /// <summary>Long enough for all faults.</summary>
    private static readonly Job _job = SmallJobs.Medium with { Epochs = 8 * Faults };

    private static readonly TimeSpan _twoRuns = TimeSpan.FromMinutes(8);

    [Theory]
    [InlineData("mesh", 1)]
    [InlineData("star", 2)]
    public async Task Random_kills_freezes_joins_and_leaves_change_no_bit(string topology, int seed)
    {
        Effort.SkipUnlessThorough(instead: "ChaosTests has one fault of each kind.");
        using var run = TrainingRun.Start(_job with { Topology = topology }, "--workers", "3", "--chaos", $"random:{seed}:{Faults}");
        await run.Coordinator.EndsWithAsync(0, _twoRuns);
        Assert.Contains(run.Coordinator.Output,
            line => line.EndsWith(": killed the coordinator, and resumed its run", StringComparison.Ordinal));
        run.RequireSameBitsUnderChaos();
    }
}
