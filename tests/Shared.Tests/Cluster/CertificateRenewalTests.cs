using Distributed.Hosting.Cluster;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Security;
using Distributed.Shared.Tests.Links;
using Distributed.Shared.Tests.Metrics;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Security;
using Microsoft.Extensions.Time.Testing;
using Prometheus;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>A node looks for new certificates, and exports when the first one in use expires.</summary>
public sealed class CertificateRenewalTests : IDisposable
{
    private const string Gauge = "distributed_certificate_expires_timestamp_seconds";

    private readonly CertificateFolders _folders = new();
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();

    public void Dispose() => _folders.Dispose();

    [Fact]
    public async Task Renewed_certificates_are_used_except_by_the_control_plane()
    {
        using var certificates = _folders.Source();
        var (first, time) = (certificates.Current, new FakeTimeProvider(CertificateFolders.Now));
        using var renewal = new CertificateRenewal(new(certificates), new WorkerMetrics(_registry, "cpu").Control, new LogLines(), time);
        await renewal.StartAsync(default);
        Assert.Equal(first.ExpiresAt.ToUnixTimeSeconds(), await ExpiresAsync());

        var later = _folders.Issue(until: CertificateFolders.Now.AddDays(9));
        CertificateFolders.Overwrite(first.Folder, null, later.Certificate, later.Key);
        time.Advance(CertificateRenewal.Interval);
        Assert.NotSame(first, certificates.Current);
        Assert.Equal(first.ExpiresAt.ToUnixTimeSeconds(), await ExpiresAsync());

        var sooner = _folders.Issue(until: CertificateFolders.Now.AddHours(1));
        CertificateFolders.Overwrite(first.Folder, null, sooner.Certificate, sooner.Key);
        time.Advance(CertificateRenewal.Interval);
        Assert.Equal(CertificateFolders.Now.AddHours(1).ToUnixTimeSeconds(), await ExpiresAsync());

        await renewal.StopAsync(default);
        var (last, late) = (certificates.Current, _folders.Issue());
        CertificateFolders.Overwrite(first.Folder, null, late.Certificate, late.Key);
        time.Advance(CertificateRenewal.Interval);
        Assert.Same(last, certificates.Current);
    }

    [Fact]
    public async Task Only_a_node_with_certificates_exports_their_expiry()
    {
        var metrics = new WorkerMetrics(_registry, "cpu").Control;
        foreach (var folder in new[] { null, _folders.Write() })
        {
            using var security = folder is null ? NodeSecurity.Of(JoinToken.Create()) : NodeSecurity.Open("localhost", new(folder))!;
            using var node = NodeHost.Build("127.0.0.1", 0, ClusterNode.CoordinatorRole, null, _ => { }, security, metrics);
            await node.StartAsync().Soon();
            Assert.Equal(security.Certificates?.Current.ExpiresAt.ToUnixTimeSeconds(), await ExpiresAsync());
            await node.StopAsync().Soon();
        }
    }

    private async Task<double?> ExpiresAsync()
    {
        var page = await Exposition.Of(_registry);
        return page.Samples.Contains(Gauge) ? page[Gauge] : null;
    }
}
