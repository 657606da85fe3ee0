using Akka.Actor;
using Akka.Cluster;
using Akka.TestKit;
using Akka.TestKit.Xunit;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;
using Distributed.Worker.Tests.Links;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Distributed.Worker.Tests.Actors;

/// <summary>
/// A cluster of two nodes on this machine: the worker's node, and the coordinator's node, whose actor forwards each message to a probe
/// of the current test.
/// </summary>
public sealed class TwoNodes : IAsyncLifetime
{
    private static readonly NodeSecurity _security = NodeSecurity.Of(JoinToken.Create());

    private readonly IHost _coordinator = NodeHost.Build("127.0.0.1", 0, ClusterNode.CoordinatorRole, null, _ => { }, _security);
    private IHost _worker = null!;
    private TestKit _kit = null!;
    private IActorRef _front = null!;

    /// <summary>Forwards each message to the probe.</summary>
    private sealed class Front : ReceiveActor
    {
        public Front()
        {
            IActorRef probe = ActorRefs.Nobody;
            Receive<Redirect>(redirect =>
            {
                probe = redirect.Probe;
                Sender.Tell(redirect);
            });
            ReceiveAny(message => probe.Forward(message));
        }

        public sealed record Redirect(IActorRef Probe) : INoSerializationVerificationNeeded;
    }

    /// <summary>Only makes probes; it does not own the nodes, so it does not stop them.</summary>
    private sealed class Probes(ActorSystem system) : TestKit(system), INoImplicitSender
    {
        protected override void AfterAll() { }
    }

    public ActorSystem Coordinator => _coordinator.Services.GetRequiredService<ActorSystem>();

    public ActorSystem Worker => _worker.Services.GetRequiredService<ActorSystem>();

    /// <summary>HOST:PORT of the coordinator.</summary>
    public string Address => NodeHost.AddressOf(Coordinator);

    /// <summary>Makes a new probe that takes the coordinator's place.</summary>
    public async Task<TestProbe> PlayCoordinatorAsync()
    {
        var probe = _kit.CreateTestProbe();
        await _front.Ask<Front.Redirect>(new Front.Redirect(probe.Ref), Patience.Limit);
        return probe;
    }

    /// <summary>Makes a probe that is told of each node that the coordinator's failure detector reports as unreachable.</summary>
    public TestProbe WatchReachability()
    {
        var probe = _kit.CreateTestProbe();
        Akka.Cluster.Cluster.Get(Coordinator).Subscribe(
            probe.Ref,
            ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.UnreachableMember));
        return probe;
    }

    public async ValueTask InitializeAsync()
    {
        await _coordinator.StartAsync();
        var cluster = Akka.Cluster.Cluster.Get(Coordinator);
        await cluster.JoinAsync(cluster.SelfAddress).Soon();
        _worker = NodeHost.Build("127.0.0.1", 0, ClusterNode.WorkerRole, Address, _ => { }, _security);
        await _worker.StartAsync();
        _kit = new Probes(Coordinator);
        _front = Coordinator.ActorOf(Props.Create<Front>(), ClusterNode.CoordinatorActor);
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.StopAsync();
        await _coordinator.StopAsync();
        _worker.Dispose();
        _coordinator.Dispose();
        _kit.Dispose();
    }
}
