using System.Net.Sockets;
using Akka.Actor;
using Akka.Hosting;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Distributed.Hosting.Cluster;

/// <summary>The host of a process of the cluster: an actor system and logs. Signals are the caller's business.</summary>
internal static class NodeHost
{
    /// <summary>Builds a host that joins the cluster when it starts.</summary>
    /// <param name="host">Address that others reach this process at.</param>
    /// <param name="port">Port of the control plane, 0 for a free one.</param>
    /// <param name="seed">HOST:PORT of the coordinator; none for the coordinator itself.</param>
    /// <param name="logging">Where logs go.</param>
    /// <param name="security">How the nodes prove themselves to each other. The node looks for newer certificates, where it has some.</param>
    /// <param name="metrics">Counts messages, and connections refused.</param>
    /// <param name="bind">Address that it listens at; null for that of <paramref name="host"/>.</param>
    /// <param name="unbelieved">Is told the address that was connected to, where the process there does not hold the join token.</param>
    public static IHost Build(
        string host, int port, string role, string? seed, Action<ILoggingBuilder> logging, NodeSecurity security, ControlMetrics? metrics = null, string? bind = null, Action<Address>? unbelieved = null)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        logging(builder.Logging);
        var tls = security.Certificates is { } certificates ? new ControlTls(certificates) : null;
        if (tls is not null)
            builder.Services.AddHostedService(services => new CertificateRenewal(tls, metrics, services.GetRequiredService<ILogger<CertificateRenewal>>(), TimeProvider.System));
        builder.Services.AddSingleton(services => new RefusalLog(services.GetRequiredService<ILogger<JoinTransport>>(), TimeProvider.System));
        builder.Services.AddAkka(ClusterNode.SystemName, (akka, services) => akka
            .ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.LogLevel = Akka.Event.LogLevel.InfoLevel;
                loggers.AddLoggerFactory();
            })
            .AddClusterNode(host, port, role, seed, Control(services), metrics, bind));
        return builder.Build();

        ControlSecurity Control(IServiceProvider services) => tls is not null
            ? new ControlSecurity.Certificates(tls)
            : new ControlSecurity.Token(security.Token!, services.GetRequiredService<RefusalLog>(), unbelieved);
    }

    /// <summary>Starts a host, which listens from then on.</summary>
    /// <exception cref="IOException">Another process listens on the port.</exception>
    public static async Task StartAsync(IHost host, int port, CancellationToken cancellation)
    {
        try
        {
            await host.StartAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (IsInUse(error))
        {
            throw new IOException($"port {port} is in use: another process listens on it, perhaps another coordinator. End that one, or choose another port with --port", error);
        }
    }

    private static bool IsInUse(Exception error) => error switch
    {
        SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } => true,
        AggregateException { InnerExceptions: var inner } => inner.Any(IsInUse),
        { InnerException: { } inner } => IsInUse(inner),
        _ => false,
    };

    /// <summary>Address of the control plane, HOST:PORT, once the host has started.</summary>
    public static string AddressOf(ActorSystem system)
    {
        var address = Akka.Cluster.Cluster.Get(system).SelfAddress;
        return $"{address.Host}:{address.Port}";
    }

    /// <summary>Leaves the cluster, but not at any price.</summary>
    /// <param name="patience">How long that may take.</param>
    /// <param name="log">Is told when it took longer.</param>
    public static async Task LeaveAsync(IHost host, TimeSpan patience, Action<string> log)
    {
        using var timeout = new CancellationTokenSource(patience);
        try
        {
            await host.StopAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            log($"The cluster was left without a farewell: it took more than {patience.TotalSeconds} s.");
        }
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
