using Distributed.Hosting.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Distributed.Hosting.Cluster;

/// <summary>Looks for new certificates now and then, as long as the node lives, and exports when the first of those in use expires.</summary>
/// <param name="tls">What the node has, and what its control plane shows.</param>
/// <param name="metrics">Is told when the first expires.</param>
/// <param name="log">Is told of new ones, and of those that cannot be taken.</param>
/// <param name="time">Tells when to look.</param>
internal sealed class CertificateRenewal(ControlTls tls, ControlMetrics? metrics, ILogger log, TimeProvider time) : IHostedService, IDisposable
{
    /// <summary>Time between two looks. Files are small, and whoever renews them does so days ahead.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private ITimer? _timer;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Export();
        _timer = time.CreateTimer(_ => Look(), null, Interval, Interval);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        tls.Certificates.Reload(time.GetUtcNow(), log);
        Export();
    }

    private void Export() => metrics?.CertificateExpires(tls.ExpiresAt);
}
