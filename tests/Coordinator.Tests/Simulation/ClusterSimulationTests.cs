using Distributed.Shared.Kernel;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Tests.Simulation;

public sealed class ClusterSimulationTests
{
    private static readonly Gen<(int Seed, Rounds Rounds, int Workers, int MinWorkers, int Faults)> _anyCluster =
        from seed in Gen.Int
        from train in Gen.Int[4, 20]
        from test in Gen.Int[0, 300]
        from epochs in Gen.Int[1, 3]
        from batch in Gen.Int[3, train]
        from micro in Gen.Int[1, batch]
        from workers in Gen.Int[1, 5]
        from minWorkers in Gen.Int[1, workers]
        from faults in Gen.Int[0, 8]
        select (seed, new Rounds(train, test, epochs, batch, micro), workers, minWorkers, faults);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Whoever_joins_leaves_or_dies_every_replica_goes_through_the_states_of_the_plain_loop(Topology topology) => _anyCluster.Sample(x =>
        new ClusterSimulation(x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers).Run(x.Faults), iter: 3000);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Whoever_stands_still_or_is_cut_off_and_when_the_coordinator_is_started_again_no_state_differs(Topology topology) => _anyCluster.Sample(x =>
        new ClusterSimulation(x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers, isOpen: true).Run(x.Faults), iter: 4000);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Replicas_of_a_relaxed_job_agree_whoever_joins_leaves_or_dies(Topology topology) => _anyCluster.Sample(x =>
        new ClusterSimulation(x.Seed, x.Rounds with { Relaxed = true }, topology, x.Workers, x.MinWorkers).Run(x.Faults), iter: 500);

    [Fact]
    public void A_mesh_a_star_and_one_worker_come_to_the_same_result() => _anyCluster.Sample(x =>
    {
        Assert.Equal(ResultOf(Topology.Star, x.Workers), ResultOf(Topology.Mesh, x.Workers));
        Assert.Equal(ResultOf(Topology.Mesh, 1), ResultOf(Topology.Mesh, x.Workers));

        long ResultOf(Topology topology, int workers)
        {
            var simulation = new ClusterSimulation(x.Seed, x.Rounds, topology, workers, 1);
            simulation.Run(x.Faults);
            return simulation.Result;
        }
    }, iter: 300);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Without_changes_there_is_one_generation(Topology topology) => _anyCluster.Sample(x =>
    {
        var simulation = new ClusterSimulation(x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers);
        simulation.Run(faults: 0);
        Assert.Equal("start", Assert.Single(simulation.Cluster.Generations).Reason);
    }, iter: 500);

    [Fact]
    public void Two_that_cannot_reach_each_other_cost_one_of_them_its_place_until_they_can() => _anyCluster.Where(x => x.Workers > 1).Sample(x =>
    {
        var simulation = new ClusterSimulation(x.Seed, x.Rounds, Topology.Mesh, x.Workers, x.MinWorkers, blocked: ("worker-1", "worker-2"));
        simulation.Run(faults: 0);
        // One that comes back to a job of a step or two finds it done.
        var refused = Assert.Single(simulation.Refused, refused => refused.Reason != "the job is done");
        Assert.Contains(refused.Worker, (string[])["worker-1", "worker-2"]);
        Assert.Contains("cannot reach it over its link: it does not answer", refused.Reason, StringComparison.Ordinal);
        Assert.True(refused.MayReturn);
        Assert.Equal(ClusterProtocol.MaxBreaks, simulation.Cluster.Generations.Count(g => g.Reason is "start" || g.Reason.StartsWith("the link between", StringComparison.Ordinal)));
    }, iter: 500);
}
