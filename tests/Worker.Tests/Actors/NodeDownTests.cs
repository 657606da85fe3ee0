using Akka.Actor;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Worker.Cluster;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Actors;

/// <summary>A worker whose node leaves the cluster; no other test can use the node after that.</summary>
[Collection(TorchTests.Name)]
public sealed class NodeDownTests(TwoNodes nodes) : IClassFixture<TwoNodes>
{
    [Fact]
    public async Task A_worker_whose_node_was_removed_from_the_cluster_ends_and_may_return()
    {
        var coordinator = await nodes.PlayCoordinatorAsync();
        TaskCompletionSource<WorkerEnd> end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var options = new WorkerOptions("fritz", nodes.Address, "127.0.0.1", 0, CPU, new(), Patience.Limit);
        var metrics = new WorkerMetrics(Metrics.NewCustomRegistry(), "cpu");
        nodes.Worker.ActorOf(Props.Create(() =>
            new WorkerActor(options, end, metrics, new("joining the cluster"), NullLogger.Instance, null)));
        coordinator.ExpectMsg<Register>(Patience.Limit);

        var cluster = Akka.Cluster.Cluster.Get(nodes.Worker);
        cluster.Down(cluster.SelfAddress);

        Assert.Equal(new(1, "the cluster has given this node up", MayReturn: true), await end.Task.Soon());
    }
}
