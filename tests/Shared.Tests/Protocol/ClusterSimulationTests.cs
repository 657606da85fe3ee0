using Distributed.Shared.Kernel;

namespace Distributed.Shared.Tests.Protocol;

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

    [Fact]
    public void Whoever_joins_leaves_or_dies_every_replica_goes_through_the_states_of_the_plain_loop() => _anyCluster.Sample(x =>
    {
        var simulation = new ClusterSimulation(x.Seed, x.Rounds, x.Workers, x.MinWorkers);
        simulation.Run(x.Faults);
    }, iter: 3000);

    [Fact]
    public void Without_changes_there_is_one_generation() => _anyCluster.Sample(x =>
    {
        var simulation = new ClusterSimulation(x.Seed, x.Rounds, x.Workers, x.MinWorkers);
        simulation.Run(faults: 0);
        Assert.Equal("start", Assert.Single(simulation.Cluster.Generations).Reason);
    }, iter: 500);
}
