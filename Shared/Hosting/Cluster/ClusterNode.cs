using Akka.Cluster.Hosting;
using Akka.Hosting;
using Akka.Remote.Hosting;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Hosting.Cluster;

/// <summary>How a process takes part in the cluster; the same for coordinators and workers.</summary>
internal static class ClusterNode
{
    /// <summary>Name of the actor system, part of every address.</summary>
    public const string SystemName = "distributed";

    public const string CoordinatorRole = "coordinator";

    public const string WorkerRole = "worker";

    /// <summary>Name of the coordinator's actor, below /user.</summary>
    public const string CoordinatorActor = "coordinator";

    /// <summary>Name of a worker's actor, below /user.</summary>
    public const string WorkerActor = "worker";

    /// <summary>Sets up remoting, cluster and serialization. docs/protocol.md gives the reason of each setting.</summary>
    /// <param name="host">Address that others reach this process at.</param>
    /// <param name="port">Port, 0 for a free one.</param>
    /// <param name="seed">Address of the coordinator, HOST:PORT; none for the coordinator, which joins itself.</param>
    /// <param name="security">How the nodes prove themselves to each other.</param>
    /// <param name="metrics">Counts messages, and connections refused.</param>
    /// <param name="bind">Address that it listens at; null for that of <paramref name="host"/>.</param>
    public static AkkaConfigurationBuilder AddClusterNode(
        this AkkaConfigurationBuilder akka, string host, int port, string role, string? seed, ControlSecurity security, ControlMetrics? metrics = null, string? bind = null)
    {
        var tls = (security as ControlSecurity.Certificates)?.Tls;
        akka
            .AddHocon(_settings, HoconAddMode.Prepend)
            .AddHocon(role == CoordinatorRole ? CoordinatorSettings : WorkerSettings, HoconAddMode.Prepend)
            .WithCustomSerializer("messagepack", [typeof(IControlMessage)], system => new ProtocolSerializer(system, metrics))
            .WithCustomSerializer("json", [], system => new RefusingSerializer(system, RefusingSerializer.Json, "in JSON"))
            .WithCustomSerializer("daemon-create", [], system => new RefusingSerializer(system, RefusingSerializer.Deployment, "that deploys an actor"))
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
            ? akka.AddSetup(new JoinSetup(token.Join, metrics, token.Log, token.Unbelieved)).AddHocon(JoinSettings, HoconAddMode.Prepend)
            : akka;
    }

    private const string JoinSettings = """
        akka.remote {
          # Without a space: Akka takes the value with quotation marks where it has one, and never starts.
          adapters.join = "Distributed.Hosting.Cluster.JoinTransportProvider,Distributed.Hosting"
          dot-netty.tcp.applied-adapters = ["join"]
        }
        """;

    private static readonly string _settings = $$"""
        akka {
          # Refusing JSON is meant.
          log-serializer-override-on-start = off
          # What is logged goes to the logger alone; a terminal belongs to the progress.
          stdout-loglevel = OFF
          stdout-logger-class = "Distributed.Hosting.Cluster.SilentLogger, Distributed.Hosting"
          log-dead-letters-during-shutdown = off
          remote.dot-netty.tcp.maximum-frame-size = {{MessageBounds.FrameBytes}}b
          # Two coordinators on one port would share its workers; one that follows another binds all the same, since .NET sees to that.
          remote.dot-netty.tcp.tcp-reuse-addr = off
          # Whoever connects and does not say who it is has no longer than that, as on a link.
          remote.dot-netty.tcp.connection-timeout = 10s
          # A peer stops, kills and deploys no actor here, and selects only those that a member has to find by path.
          remote.untrusted-mode = on
          remote.trusted-selection-paths = [
            "/user/coordinator", "/system/cluster/core/daemon", "/system/cluster/heartbeatReceiver", "/system/remote-watcher"
          ]
          # Reports to a coordinator that stands still wait; a connection given up would take them along.
          # A connection that was reset is made again soon: what is said meanwhile is lost, and has to be repeated.
          remote.retry-gate-closed-for = 250ms
          remote.transport-failure-detector.acceptable-heartbeat-pause = 1d
          # Ticks that find nothing due interrupt whoever computes.
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
          # A signal asks to leave in good order; the process stops the system when that is done.
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          # The last one to leave may wait for members that will not answer any more.
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
            # It sees to all of them itself.
            monitored-by-nr-of-members = 10000
          }
        }
        """;

    private const string WorkerSettings = """
        akka.cluster {
          # A worker goes on without a coordinator that stands still, and learns of a dead one from its link.
          downing-provider-class = ""
          failure-detector {
            acceptable-heartbeat-pause = 1d
            monitored-by-nr-of-members = 1
          }
        }
        """;
}
