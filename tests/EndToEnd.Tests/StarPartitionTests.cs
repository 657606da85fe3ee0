namespace Distributed.EndToEnd.Tests;

/// <summary>As <see cref="PartitionTests"/>, in a star; a class of its own, so that both run in parallel.</summary>
public sealed class StarPartitionTests
{
    [Fact]
    public async Task A_star_that_loses_a_worker_for_a_while_changes_no_bit()
    {
        using var cluster = await PartitionedCluster.StartAsync(SmallJobs.Long with { Topology = "star" });
        await cluster.TrainsOnAsync();
        cluster.Network.CutOff("west");
        await Task.Delay(PartitionedCluster.LongEnough);
        cluster.Network.Rejoin("west");
        await cluster.EndsAsync();
        Assert.Single(cluster.Run.Coordinator.Output, line => PartitionedCluster.Gone().IsMatch(line));
    }
}
