using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Distributed.Hosting.Cluster;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>An actor system with the token, but otherwise with Akka's own settings and serializers.</summary>
internal static class HostileMember
{
    private const string Settings = """
        akka {
          loggers = []
          stdout-loglevel = OFF
          actor.provider = remote
          remote.adapters.join = "Distributed.Hosting.Cluster.JoinTransportProvider,Distributed.Hosting"
          remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0, applied-adapters = ["join"] }
        }
        """;

    public static ExtendedActorSystem Create(JoinToken token, params Setup[] setups) => (ExtendedActorSystem)ActorSystem.Create("hostile",
        setups.Aggregate(BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString(Settings))
            .And(new JoinSetup(token, null, null, null)), (all, setup) => all.And(setup)));
}
