using Distributed.EndToEnd.Tests.Processes;
using Distributed.Shared.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>The chaos check where the coordinator itself is killed, and where everything is.</summary>
public sealed class ChaosRestartTests
{
    /// <summary>Long enough for thirty faults.</summary>
    private static readonly Job _job = Jobs.Medium with { Epochs = 240 };

    private static readonly TimeSpan _twoRuns = TimeSpan.FromMinutes(8);

    [Theory]
    [InlineData("mesh", "random:1:30")]
    [InlineData("star", "random:2:30")]
    public async Task Whatever_is_killed_or_frozen_joins_or_leaves_changes_no_bit(string topology, string plan)
    {
        using var run = TrainingRun.Start(_job with { Topology = topology }, "--workers", "3", "--chaos", plan);
        await run.Coordinator.EndsWithAsync(0, _twoRuns);
        Assert.Contains(run.Coordinator.Output, line => line.EndsWith(": killed the coordinator, and resumed its run", StringComparison.Ordinal));
        run.RequireSameBitsUnderChaos();
    }
}
