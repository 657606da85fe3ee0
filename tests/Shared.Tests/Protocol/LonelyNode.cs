using Akka.Actor;
using Akka.Hosting;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>An actor system like that of a coordinator or worker, outside of any cluster.</summary>
public sealed class LonelyNode : IAsyncLifetime
{
    /// <summary>The token that a peer must hold.</summary>
    internal static readonly JoinToken Token = JoinToken.Create();

    private readonly IHost _host = new HostBuilder()
        .ConfigureServices(services => services.AddAkka(ClusterNode.SystemName, akka => akka
            .AddClusterNode("127.0.0.1", 0, ClusterNode.WorkerRole, seed: null, new ControlSecurity.Token(Token))
            .ConfigureLoggers(loggers => loggers.ClearLoggers())))
        .Build();

    public ExtendedActorSystem System => (ExtendedActorSystem)_host.Services.GetRequiredService<ActorSystem>();

    /// <summary>The serializer of our messages.</summary>
    internal ProtocolSerializer Serializer => (ProtocolSerializer)System.Serialization.FindSerializerForType(typeof(IControlMessage));

    public async ValueTask InitializeAsync() => await _host.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
