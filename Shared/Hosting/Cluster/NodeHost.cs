using System.Net.Sockets;
using Akka.Actor;
using Akka.Hosting;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Distributed.Hosting.Cluster;

/// <summary>The host of a process of the cluster: an actor system and logs. The caller handles signals.</summary>
internal static class NodeHost
{
    /// <summary>Builds a host that joins the cluster when it starts, and looks for newer certificates if it has some.</summary>
    /// <param name="host">Address of this process for others.</param>
    /// <param name="port">Port of the control plane, 0 for a free one.</param>
    /// <param name="seed">HOST:PORT of the coordinator; null for the coordinator itself.</param>
    /// <param name="bind">Address to listen at; by default <paramref name="host"/>.</param>
    /// <param name="untrusted">Called with an address that this process connected to and whose process does not have the token.</param>
    public static IHost Build(
        string host, int port, string role, string? seed, Action<ILoggingBuilder> logging, NodeSecurity security,
        ControlMetrics? metrics = null, string? bind = null, Action<Address>? untrusted = null)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        logging(builder.Logging);
        var tls = security.Certificates is { } certificates ? new ControlTls(certificates) : null;
        if (tls is not null)
        {
            builder.Services.AddHostedService(services => new CertificateRenewal(
                tls, metrics, services.GetRequiredService<ILogger<CertificateRenewal>>(), TimeProvider.System));
        }
        builder.Services.AddSingleton(services =>
            new RefusalLog(services.GetRequiredService<ILogger<JoinTransport>>(), TimeProvider.System));
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
            : new ControlSecurity.Token(security.Token!, services.GetRequiredService<RefusalLog>(), untrusted);
    }

    public static async Task StartAsync(IHost host, int port, CancellationToken cancellation)
    {
        try
        {
            await host.StartAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (IsInUse(error))
        {
            throw new IOException($"port {port} is in use: another process listens on it, perhaps another coordinator. "
                + "End that one, or choose another port with --port", error);
        }
    }

    private static bool IsInUse(Exception error) => error switch
    {
        SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } => true,
        AggregateException { InnerExceptions: var inner } => inner.Any(IsInUse),
        { InnerException: { } inner } => IsInUse(inner),
        _ => false,
    };

    public static string AddressOf(ActorSystem system)
    {
        var address = Akka.Cluster.Cluster.Get(system).SelfAddress;
        return $"{address.Host}:{address.Port}";
    }

    /// <summary>Leaves the cluster, or logs that the timeout has expired.</summary>
    public static async Task LeaveAsync(IHost host, TimeSpan timeout, Action<string> log)
    {
        using var expired = new CancellationTokenSource(timeout);
        try
        {
            await host.StopAsync(expired.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            log($"This process did not leave the cluster in order: it took more than {timeout.TotalSeconds} s.");
        }
    }
}
