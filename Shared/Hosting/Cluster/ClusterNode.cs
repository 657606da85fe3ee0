using Akka.Actor;
using Akka.Cluster;
using Akka.Cluster.Hosting;
using Akka.Event;
using Akka.Hosting;
using Akka.Remote.Hosting;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Hosting.Cluster;

internal static class ClusterNode
{
    public const string SystemName = "distributed"; // Name of the actor system, part of every address.
    public const string CoordinatorRole = "coordinator";
    public const string WorkerRole = "worker";
    public const string CoordinatorActor = "coordinator"; // Names of the actors, below /user.
    public const string WorkerActor = "worker";

    /// <summary>As <see cref="NodeHost.Build"/>. docs/protocol.md gives the reason of each setting.</summary>
    public static AkkaConfigurationBuilder AddClusterNode(
        this AkkaConfigurationBuilder akka, string host, int port, string role, string? seed, ControlSecurity security,
        ControlMetrics? metrics = null, string? bind = null)
    {
        var tls = (security as ControlSecurity.Certificates)?.Tls;
        akka
            .AddHocon(_settings, HoconAddMode.Prepend)
            .AddHocon(role == CoordinatorRole ? CoordinatorSettings : WorkerSettings, HoconAddMode.Prepend)
            .WithCustomSerializer("messagepack", [typeof(IControlMessage)], system => new ProtocolSerializer(system, metrics))
            .WithCustomSerializer("json", [], system => new RefusingSerializer(system, RefusingSerializer.Json, "in JSON"))
            .WithCustomSerializer("daemon-create", [], system =>
                new RefusingSerializer(system, RefusingSerializer.Deployment, "that deploys an actor"))
            .WithCustomSerializer("proto", [], system => new RefusingSerializer(system, RefusingSerializer.Protobuf, "of Protobuf"))
            .WithCustomSerializer("akka-misc", [], system => new HeartbeatSerializer(system, metrics))
            .WithCustomSerializer("akka-system-msg", [], system => new DeathWatchSerializer(system, metrics))
            .WithRemoting(new RemoteOptions
            {
                HostName = bind ?? host,
                PublicHostName = host,
                Port = port,
                EnableSsl = tls is not null,
                Ssl = tls?.Options(metrics) ?? new(),
            })
            .WithClustering(new ClusterOptions
            {
                Roles = [role],
                SeedNodes = seed is null ? [] : [$"{security.Protocol}://{SystemName}@{seed}"],
            });
        return security is ControlSecurity.Token token
            ? akka.AddSetup(new JoinSetup(token.Join, metrics, token.Log, token.Untrusted)).AddHocon(JoinSettings, HoconAddMode.Prepend)
            : akka;
    }

    private const string JoinSettings = """
        akka.remote {
          # Without a space: with one, Akka keeps the quotation marks in the value and never starts.
          adapters.join = "Distributed.Hosting.Cluster.JoinTransportProvider,Distributed.Hosting"
          dot-netty.tcp.applied-adapters = ["join"]
        }
        """;

    private static readonly string _settings = $$"""
        akka {
          # It would warn that JSON is refused.
          log-serializer-override-on-start = off
          # Logs go to the logger only; the terminal is for the progress.
          stdout-loglevel = OFF
          stdout-logger-class = "Distributed.Hosting.Cluster.SilentLogger, Distributed.Hosting"
          log-dead-letters-during-shutdown = off
          remote.dot-netty.tcp.maximum-frame-size = {{MessageBounds.FrameBytes}}b
          # Two coordinators on one port would share its workers. .NET lets a restarted one bind at once.
          remote.dot-netty.tcp.tcp-reuse-addr = off
          # The timeout for a peer to authenticate, as on a link.
          remote.dot-netty.tcp.connection-timeout = 10s
          # A peer cannot stop, kill or deploy an actor here, and selects only actors that a member must find by path.
          remote.untrusted-mode = on
          remote.trusted-selection-paths = [
            "/user/coordinator", "/system/cluster/core/daemon", "/system/cluster/heartbeatReceiver", "/system/remote-watcher"
          ]
          # Messages on a broken connection are lost and must be repeated, so a suspended coordinator keeps its connections,
          # and a connection that was reset is soon made again.
          remote.retry-gate-closed-for = 250ms
          remote.transport-failure-detector.acceptable-heartbeat-pause = 1d
          # Idle ticks interrupt the threads that compute.
          scheduler.tick-duration = 50ms
          cluster.scheduler.tick-duration = 50ms
          cluster {
            # A cluster of tens of nodes that should form in well under a second.
            periodic-tasks-initial-delay = 100ms
            gossip-interval = 100ms
            leader-actions-interval = 100ms
            seed-node-timeout = 2s
            retry-unsuccessful-join-after = 2s
          }
          # On a signal, the process first leaves in order, and then stops the system.
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          # The last node to leave may wait for members that no longer answer.
          coordinated-shutdown.phases.cluster-exiting.timeout = 2s
          loglevel = INFO
        }
        """;

    private const string CoordinatorSettings = """
        akka.cluster {
          downing-provider-class = "Distributed.Hosting.Cluster.CoordinatorDowning, Distributed.Hosting"
          failure-detector {
            # A worker stays busy through its first CUDA step, loading a library, a pause of the machine.
            acceptable-heartbeat-pause = 10s
            # The coordinator monitors all workers itself.
            monitored-by-nr-of-members = 10000
          }
        }
        """;

    private const string WorkerSettings = """
        akka.cluster {
          # A worker goes on without a suspended coordinator, and notices a dead one by its link.
          downing-provider-class = ""
          failure-detector {
            acceptable-heartbeat-pause = 1d
            monitored-by-nr-of-members = 1
          }
        }
        """;
}

/// <summary>Replaces Akka's logger to standard output, which writes when a system stops: the terminal is for the progress.</summary>
internal sealed class SilentLogger : MinimalLogger
{
    protected override void Log(object message) { }
}

/// <summary>Only the coordinator removes nodes from the cluster: those that stay unreachable for a grace period. No other node decides, so
/// a suspended coordinator does no harm, and the leader of the cluster has no role.</summary>
internal sealed class CoordinatorDowning : IDowningProvider
{
    private readonly Akka.Cluster.Cluster _cluster;

    // Akka calls it, from the settings.
    public CoordinatorDowning(ActorSystem system, Akka.Cluster.Cluster cluster) => _cluster = cluster;

    /// <summary>Begins when the coordinator notices the silence. After its own suspension, it notices that when it wakes, and hears all
    /// nodes again at its next heartbeat, a second later.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan DownRemovalMargin => TimeSpan.Zero;
    public Props DowningActorProps => Props.Create(() => new DowningActor(_cluster, Grace));

    private sealed class DowningActor : ReceiveActor, IWithTimers
    {
        private readonly Akka.Cluster.Cluster _cluster;

        public DowningActor(Akka.Cluster.Cluster cluster, TimeSpan grace)
        {
            _cluster = cluster;
            Receive<ClusterEvent.UnreachableMember>(e =>
                Timers.StartSingleTimer(e.Member.UniqueAddress, new Overdue(e.Member.Address), grace));
            Receive<ClusterEvent.ReachableMember>(e => Timers.Cancel(e.Member.UniqueAddress));
            Receive<ClusterEvent.MemberRemoved>(e => Timers.Cancel(e.Member.UniqueAddress));
            Receive<Overdue>(overdue => cluster.Down(overdue.Address));
        }

        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart() => _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.IReachabilityEvent), typeof(ClusterEvent.MemberRemoved));

        protected override void PostStop() => _cluster.Unsubscribe(Self);

        private sealed record Overdue(Address Address) : INoSerializationVerificationNeeded;
    }
}
