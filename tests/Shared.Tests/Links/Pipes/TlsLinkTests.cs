using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Threading.Channels;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Security;
using Distributed.Shared.Tests.Metrics;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>A process without a trusted certificate gets no link, is counted by reason, and disturbs no other link.</summary>
public sealed class TlsLinkTests : IDisposable
{
    private const string Name = "worker-1";

    private static readonly LinkIdentity _self = new(PipePair.Job, PipePair.Token, Name);

    private readonly CertificateFolders _folders = new();
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly Channel<IFramePipe> _established = Channel.CreateUnbounded<IFramePipe>();
    private readonly CertificateSource _good;

    public TlsLinkTests() => _good = _folders.Source();

    public void Dispose() => _folders.Dispose();

    [Fact]
    public async Task Memory_is_shared_by_ends_that_trust_each_other()
    {
        using var listener = Listen(new() { Certificates = _good });
        using var here = await ConnectAsync(listener, new() { Certificates = _good });
        using var there = await AcceptedAsync();
        Assert.All([here, there], pipe => Assert.IsType<SharedMemoryPipe>(pipe));
        using var poller = new Poller();
        foreach (var (from, to) in ((IFramePipe, IFramePipe)[])[(here, there), (there, here)])
            for (var i = 0; i < 20; i++)
            {
                Assert.True(from.TrySend(FrameGen.Numbered(i, 2), "hi"u8));
                Assert.Equal("hi"u8, poller.Next(to).Payload);
            }
    }

    [Fact]
    public async Task Sent_bytes_cannot_be_read_in_transit()
    {
        // A relay between the two sees the bytes as they are.
        using var listener = Listen(new() { Certificates = _good, SharedMemory = false });
        using var between = Relay.Start(listener.Port);
        var options = new LinkOptions { Certificates = _good, SharedMemory = false };
        using var here = await LinkHandshake.ConnectAsync("localhost", between.Port, _self, options, default).Soon();
        using var there = await AcceptedAsync();
        var secret = "a secret in transit"u8.ToArray();
        Assert.True(here.TrySend(FrameGen.Numbered(0, secret.Length), secret));
        using var poller = new Poller();
        Assert.Equal(secret, poller.Next(there).Payload);
        var seen = between.Seen;
        Assert.True(seen.AsSpan().IndexOf(secret) < 0 && seen.AsSpan().IndexOf(PipePair.Token) < 0 && seen.Length > secret.Length);
    }

    [Fact]
    public async Task Bytes_changed_in_transit_end_the_link()
    {
        using var listener = Listen(new() { Certificates = _good, SharedMemory = false });
        using var between = Relay.Start(listener.Port);
        var options = new LinkOptions { Certificates = _good, SharedMemory = false };
        using var here = await LinkHandshake.ConnectAsync("localhost", between.Port, _self, options, default).Soon();
        using var there = await AcceptedAsync();
        between.FlipsBits = true;
        Assert.True(here.TrySend(FrameGen.Numbered(0, 3), "abc"u8));
        var (error, frames) = there.UntilBroken();
        Assert.Empty(frames);
        Assert.StartsWith("the connection to 127.0.0.1:", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, Refusal> Strangers() => new()
    {
        { "scan", Refusal.Closed },
        { "garbage", Refusal.Garbage },
        { "greeting in the clear", Refusal.Garbage },
        { "no certificate", Refusal.Anonymous },
        { "another authority", Refusal.Untrusted },
        { "itself", Refusal.Untrusted },
        { "for servers", Refusal.Untrusted },
        { "expired", Refusal.Expired },
        { "silence", Refusal.Slow },
        { "a byte at a time", Refusal.Slow },
        { "silence behind the certificate", Refusal.Slow },
        { "another token", Refusal.Stranger },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public async Task An_untrusted_process_is_refused_and_counted_and_links_stay_open(string who, Refusal reason)
    {
        var isSlow = reason == Refusal.Slow;
        using var listener = Listen(
            new() { Certificates = _good, SharedMemory = false, GreetingTimeout = isSlow ? TimeSpan.FromSeconds(1) : Loopback.Timeout });
        using var here = await ConnectAsync(listener, new() { Certificates = _good, SharedMemory = false });
        using var there = await AcceptedAsync();
        await StrangerAsync(who, listener.Port).Soon();
        await CountedAsync(reason);
        using var poller = new Poller();
        Assert.True(here.TrySend(FrameGen.Numbered(7, 2), "hi"u8));
        Assert.Equal(7, poller.Next(there).Header.Slice);
        Assert.False(_established.Reader.TryRead(out _));
    }

    public static TheoryData<string, Refusal, string> Impostors() => new()
    {
        { "another authority", Refusal.Untrusted,
            "its certificate is not signed by an authority of this end's ca.crt, or not for this use" },
        { "expired", Refusal.Expired, "its certificate is not valid now" },
        { "another name", Refusal.Name, "its certificate does not have the name localhost" },
        { "in the clear", Refusal.Garbage, "the connection does not begin with TLS: " },
    };

    [Theory]
    [MemberData(nameof(Impostors))]
    public async Task A_process_that_connects_to_an_impostor_sends_nothing_and_reports_why(string who, Refusal reason, string words)
    {
        using var listener = PipePair.Listen();
        var told = new List<Refusal>();
        var connecting = LinkHandshake.ConnectAsync(
            "localhost", PipePair.PortOf(listener), _self, new() { Certificates = _good, Refused = told.Add }, default);
        using var socket = await listener.AcceptAsync().Soon();
        if (who == "in the clear") await socket.SendAllAsync(new byte[100]);
        else
        {
            using var stream = new SslStream(new NetworkStream(socket));
            // In TLS 1.3 this end completes before the other has validated its certificate.
            await Stranger.IgnoringAsync(() => stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificate = Stranger.Shown(who, _folders),
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = Stranger.BelievesAll,
            }));
            await Stranger.IgnoringAsync(async () => Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().Soon()));
        }
        var error = await Assert.ThrowsAsync<LinkException>(() => connecting.Soon());
        Assert.StartsWith(
            $"the link at localhost:{PipePair.PortOf(listener)} is refused: {words}", error.Message, StringComparison.Ordinal);
        Assert.Equal(reason, error.Refusal);
        Assert.Equal([reason], told);
    }

    [Fact]
    public async Task A_process_with_an_untrusted_certificate_learns_it()
    {
        using var listener = Listen(new() { Certificates = _good, GreetingTimeout = Loopback.Timeout });
        var stranger = _folders.NewAuthority();
        // It trusts the listener, but the listener does not trust it.
        var error = await Assert.ThrowsAsync<LinkException>(
            () => ConnectAsync(listener, new() { Certificates = Forged(_folders.Issue(stranger), stranger) }));
        Assert.Contains($"{listener.Port}", error.Message, StringComparison.Ordinal);
        await CountedAsync(Refusal.Untrusted);
    }

    [Fact]
    public async Task A_full_link_resumes_when_the_other_end_reads()
    {
        using var listener = PipePair.Listen();
        // The smallest buffers that the kernel allows.
        listener.SendBufferSize = 1;
        var options = new LinkOptions { Certificates = _good, SharedMemory = false };
        var connecting = LinkHandshake.ConnectAsync("localhost", PipePair.PortOf(listener), _self, options, default);
        var accepted = await listener.AcceptAsync().Soon();
        accepted.SendBufferSize = 1;
        using var there =
            (await LinkHandshake.AcceptAsync(accepted, PipePair.Job, PipePair.Token, _ => true, options, default).Soon()).Pipe;
        using var here = await connecting.Soon();
        using var poller = new Poller();
        for (var i = 0; i < 20; i++)
        {
            var payload = FrameGen.Payload(FrameHeader.MaxLength - i, i);
            var isWhole = there.TrySend(FrameGen.Numbered(i, payload.Length), payload);
            while (!isWhole)
            {
                Assert.True(there.IsMidFrame);
                Assert.False(here.TryReceive(out _, out _));
                poller.Sleep(there, wantsRoom: true);
                isWhole = there.TrySend(FrameGen.Numbered(i, payload.Length), payload);
            }
            Assert.False(there.IsMidFrame);
            Assert.Equal(payload, poller.Next(here).Payload);
        }
    }

    private LinkListener Listen(LinkOptions options) => new(
        new(IPAddress.Loopback, 0), PipePair.Job, PipePair.Token, _ => true, (_, pipe) => _established.Writer.TryWrite(pipe),
        new WorkerMetrics(_registry, "cpu").Links, NullLogger.Instance, options);

    private static Task<IFramePipe> ConnectAsync(LinkListener listener, LinkOptions options) =>
        LinkHandshake.ConnectAsync("localhost", listener.Port, _self, options, default).Soon();

    private Task<IFramePipe> AcceptedAsync() => _established.Reader.ReadAsync().AsTask().Soon();

    private async Task CountedAsync(Refusal reason)
    {
        using var timeout = new CancellationTokenSource(Loopback.Timeout);
        while (true)
        {
            var page = await Exposition.Of(_registry);
            var refused = page.Samples
                .Where(sample => sample.StartsWith("distributed_refused_connections_total{", StringComparison.Ordinal) && page[sample] > 0)
                .ToArray();
            if (refused.Length > 0)
            {
                Assert.Equal(
                    [$"distributed_refused_connections_total{{plane=\"links\",reason=\"{$"{reason}".ToLowerInvariant()}\"}}"],
                    refused);
                Assert.Equal(1, page[refused[0]]);
                return;
            }
            await Task.Delay(TimeSpan.FromMilliseconds(5), timeout.Token);
        }
    }

    private async Task StrangerAsync(string who, int port)
    {
        switch (who)
        {
            case "greeting in the clear":
                await Assert.ThrowsAsync<LinkException>(() => LinkHandshake.ConnectAsync("localhost", port, _self, new(), default));
                break;
            case "another token":
                var identity = _self with { Token = new byte[LinkHello.TokenLength] };
                await Assert.ThrowsAsync<LinkException>(
                    () => LinkHandshake.ConnectAsync("localhost", port, identity, new() { Certificates = _good }, default));
                break;
            default:
                await Stranger.ConnectAsync(who, port, _folders);
                break;
        }
    }

    /// <summary>Has a certificate of another authority, but trusts ours.</summary>
    private CertificateSource Forged(IssuedCertificate issued, CertificateAuthority stranger) =>
        CertificateSource.Open(
            _folders.Write(stranger.Pem + "\n" + _folders.Authority.Pem, issued.Certificate, issued.Key),
            "localhost",
            CertificateFolders.Now);
}
