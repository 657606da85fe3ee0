using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>The chaos check where the coordinator itself is killed.</summary>
public sealed class ChaosRestartTests
{
    private static readonly TimeSpan _twoRuns = TimeSpan.FromMinutes(4);

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_coordinator_that_is_killed_and_resumed_changes_no_bit(string topology)
    {
        using var run = TrainingRun.Start(
            Jobs.Medium with { Topology = topology }, "--workers", "3", "--chaos", "restart-coordinator@30,kill-worker@60,restart-coordinator@90");
        await run.Coordinator.EndsWithAsync(0, _twoRuns);
        Assert.Equal(2, run.Coordinator.Output.Count(line => line.EndsWith(": killed the coordinator, and resumed its run", StringComparison.Ordinal)));
        Assert.Equal(
            await File.ReadAllBytesAsync(run["undisturbed/model.safetensors"]), await File.ReadAllBytesAsync(run["disturbed/model.safetensors"]));
        Assert.Empty(run.Coordinator.Errors);
        Assert.Empty(LinuxProcess.With("TMPDIR", run.Temporary));
        Assert.Empty(Directory.EnumerateFileSystemEntries(run.Temporary));
    }
}
