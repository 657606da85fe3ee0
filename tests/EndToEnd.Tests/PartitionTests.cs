namespace Distributed.EndToEnd.Tests;

/// <summary>Machines that cannot reach each other for a while: their packets vanish, and no connection is closed.</summary>
public sealed class PartitionTests
{
    [Fact]
    public async Task A_mesh_that_falls_apart_and_comes_together_again_changes_no_bit()
    {
        using var cluster = await PartitionedCluster.StartAsync(SmallJobs.Medium with { Topology = "mesh", Epochs = 60 });
        var (network, run) = (cluster.Network, cluster.Run);

        await cluster.TrainsOnAsync();
        network.CutOff("west");
        await Task.Delay(PartitionedCluster.LongEnough);
        network.Rejoin("west");

        // Unless one of them is slow, the three finish before any of them notices the partition.
        await cluster.TrainsOnAsync();
        network.Separate("west", "center");
        await cluster.West.Self.SlowDownAsync(until: Task.Delay(PartitionedCluster.LongEnough));
        network.Unite("west", "center");

        await cluster.TrainsOnAsync();
        network.Separate("west", "south");
        await Task.Delay(PartitionedCluster.LongEnough);
        network.Unite("west", "south");

        await cluster.EndsAsync();
        Assert.Equal(2, run.Coordinator.Output.Count(
            line => PartitionedCluster.Gone().IsMatch(line)
            && !line.Contains(" cannot reach it over its link: ", StringComparison.Ordinal)));
        Assert.Contains(run.Report.Reconfigurations,
            g => g.Reason.StartsWith("the link between south and west broke: ", StringComparison.Ordinal)
            || g.Reason.StartsWith("the link between west and south broke: ", StringComparison.Ordinal));
    }
}
