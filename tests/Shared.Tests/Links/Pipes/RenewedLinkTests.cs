using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Threading.Channels;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Security;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging.Abstractions;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Certificates are renewed while a listener accepts: new links use them, and open links stay.</summary>
public sealed class RenewedLinkTests : IDisposable
{
    private readonly CertificateFolders _folders = new();
    private readonly Channel<IFramePipe> _established = Channel.CreateUnbounded<IFramePipe>();
    private readonly CertificateSource _here;
    private readonly CertificateSource _there;
    private readonly LinkListener _listener;

    public RenewedLinkTests()
    {
        (_here, _there) = (_folders.Source(), _folders.Source());
        _listener = new(
            new(IPAddress.Loopback, 0), PipePair.Job, PipePair.Token, _ => true, (_, pipe) => _established.Writer.TryWrite(pipe),
            new WorkerMetrics(Prometheus.Metrics.NewCustomRegistry(), "cpu").Links, NullLogger.Instance,
            new() { Certificates = _there, SharedMemory = false });
    }

    public void Dispose()
    {
        _listener.Dispose();
        _folders.Dispose();
    }

    [Fact]
    public async Task Both_ends_use_certificates_renewed_by_the_same_authority_and_open_links_stay()
    {
        using var pair = await ConnectAsync(_here);
        foreach (var source in new[] { _there, _here })
        {
            Renew(source, null, _folders.Issue());
            using var next = await ConnectAsync(_here);
            Requires(next);
        }
        Assert.Equal(_there.Current.Own.Thumbprint, await ShownAsync());
        Requires(pair);
    }

    [Fact]
    public async Task An_added_authority_is_trusted_from_then_on_and_a_removed_one_no_longer()
    {
        var next = _folders.NewAuthority();
        var (former, both, issued) = (_folders.Authority.Pem, _folders.Authority.Pem + "\n" + next.Pem, _folders.Issue(next));
        var newcomer = CertificateSource.Open(_folders.Write(both, issued.Certificate, issued.Key), "localhost", CertificateFolders.Now);
        using var pair = await ConnectAsync(_here);
        await RefusedAsync(newcomer);

        Renew(_there, both, null);
        using (var added = await ConnectAsync(newcomer)) Requires(added);

        // Remove the former authority.
        Renew(_there, next.Pem, _folders.Issue(next));
        using (var moved = await ConnectAsync(newcomer)) Requires(moved);
        await RefusedAsync(_here);
        Requires(pair);

        Renew(_there, former, _folders.Issue());
        await RefusedAsync(newcomer);
        using var back = await ConnectAsync(_here);
        Requires(back);
    }

    private static void Renew(CertificateSource source, string? authority, IssuedCertificate? issued)
    {
        CertificateFolders.Overwrite(source.Current.Folder, authority, issued?.Certificate, issued?.Key);
        var former = source.Current;
        source.Reload(CertificateFolders.Now, NullLogger.Instance);
        Assert.NotSame(former, source.Current);
    }

    private async Task<PipePair> ConnectAsync(CertificateSource certificates) => new(
        await LinkHandshake.ConnectAsync(
            "localhost", _listener.Port, new(PipePair.Job, PipePair.Token, "here"),
            new() { Certificates = certificates, SharedMemory = false }, default).Soon(),
        await _established.Reader.ReadAsync().AsTask().Soon());

    private async Task RefusedAsync(CertificateSource certificates)
    {
        await Assert.ThrowsAsync<LinkException>(() => ConnectAsync(certificates));
        Assert.False(_established.Reader.TryRead(out _));
    }

    private static void Requires(PipePair pair)
    {
        using var poller = new Poller();
        foreach (var (from, to) in ((IFramePipe, IFramePipe)[])[(pair.Here, pair.There), (pair.There, pair.Here)])
        {
            Assert.True(from.TrySend(FrameGen.Numbered(7, 2), "hi"u8));
            Assert.Equal("hi"u8, poller.Next(to).Payload);
        }
    }

    /// <summary>The certificate of the listener.</summary>
    private async Task<string> ShownAsync()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, _listener.Port);
        using var stream = new SslStream(new NetworkStream(socket));
        var shown = "";
        await Stranger.IgnoringAsync(() => stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            RemoteCertificateValidationCallback = (_, certificate, _, _) => (shown = certificate!.GetCertHashString()).Length > 0,
        }));
        return shown;
    }
}
