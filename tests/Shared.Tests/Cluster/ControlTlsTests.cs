using System.Threading.Channels;
using Akka.Actor;
using Akka.Hosting;
using Akka.Remote;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Links;
using Distributed.Shared.Tests.Metrics;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>Actor systems with certificates, and strangers at their port.</summary>
public sealed class ControlTlsTests : IAsyncDisposable
{
    private readonly CertificateFolders _folders = new();
    private readonly List<IHost> _hosts = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Enumerable.Reverse(_hosts))
        {
            await host.StopAsync().Soon();
            host.Dispose();
        }
        _folders.Dispose();
    }

    [Fact]
    public async Task Nodes_that_trust_each_other_form_a_cluster()
    {
        var coordinator = await StartAsync(_folders.Source());
        Assert.Equal("akka.ssl.tcp", ClusterOf(coordinator.System).SelfAddress.Protocol);
        var worker = await StartAsync(_folders.Source(), coordinator);
        await JoinedAsync(worker);
        await TalkAsync(coordinator, worker);
        Assert.Empty(await RefusedAsync(coordinator));
    }

    [Fact]
    public async Task Strangers_are_refused_and_counted()
    {
        var coordinator = await StartAsync(_folders.Source());
        var worker = await StartAsync(_folders.Source(), coordinator);
        await JoinedAsync(worker);
        var port = ClusterOf(coordinator.System).SelfAddress.Port!.Value;
        foreach (var who in (string[])["scan",
            "garbage", "a frame in the clear", "no certificate", "another authority", "itself", "for servers", "expired"])
        {
            await Stranger.ConnectAsync(who, port, _folders).Soon();
            await TalkAsync(coordinator, worker);
        }
        await Task.WhenAll(((string[])["silence", "a byte at a time", "silence behind the certificate"])
            .Select(who => Stranger.ConnectAsync(who, port, _folders))).Soon();
        await TalkAsync(coordinator, worker);
        // Only refusals of this project's own code are counted; the other connections end inside Akka.
        var expected = new Dictionary<Refusal, double> { [Refusal.Untrusted] = 3, [Refusal.Expired] = 1 };
        await UntilAsync(coordinator, refused => refused.Values.Sum() >= expected.Values.Sum());
        Assert.Equal(expected, await RefusedAsync(coordinator));
    }

    [Theory]
    [InlineData("another authority", Refusal.Untrusted)]
    [InlineData("another name", Refusal.Name)]
    public async Task A_worker_refuses_a_coordinator_that_it_does_not_trust(string who, Refusal reason)
    {
        var stranger = _folders.NewAuthority();
        var coordinator = await StartAsync(who == "another name"
            ? _folders.Source(_folders.Issue(hosts: ["elsewhere.example"])) : _folders.Source(_folders.Issue(stranger), stranger));
        var worker = await StartAsync(_folders.Source(), coordinator);
        await UntilAsync(worker, refused => refused.ContainsKey(reason));
        Assert.Single(ClusterOf(coordinator.System).State.Members);
    }

    [Fact]
    public async Task A_node_without_certificates_is_refused()
    {
        var coordinator = await StartAsync(_folders.Source());
        var plain = await StartAsync(null, coordinator);
        var failures = Channel.CreateUnbounded<object>();
        plain.System.EventStream.Subscribe(plain.System.ActorOf(Props.Create(() => new Ear(failures.Writer))),
            typeof(AssociationErrorEvent));
        await failures.Reader.ReadAsync().AsTask().Soon();
        Assert.Single(ClusterOf(coordinator.System).State.Members);
        Assert.Empty(ClusterOf(plain.System).State.Members);
    }

    [Fact]
    public async Task Certificates_of_a_new_authority_are_accepted_once_the_file_has_it()
    {
        var certificates = _folders.Source();
        var coordinator = await StartAsync(certificates);
        var former = await StartAsync(_folders.Source(), coordinator);
        await JoinedAsync(former);
        var next = _folders.NewAuthority();
        var (both, issued) = (_folders.Authority.Pem + "\n" + next.Pem, _folders.Issue(next));
        CertificateFolders.Overwrite(certificates.Current.Folder, both, null, null);
        certificates.Reload(CertificateFolders.Now, NullLogger.Instance);
        var worker = await StartAsync(
            CertificateSource.Open(_folders.Write(both, issued.Certificate, issued.Key), "localhost", CertificateFolders.Now), coordinator);
        await JoinedAsync(worker);
        foreach (var node in new[] { former, worker }) await TalkAsync(coordinator, node);
        Assert.Empty(await RefusedAsync(coordinator));
    }

    private sealed record Node(ActorSystem System, CollectorRegistry Registry);

    private async Task<Node> StartAsync(CertificateSource? certificates, Node? coordinator = null)
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        var seed = coordinator is null ? null : NodeHost.AddressOf(coordinator.System);
        builder.Services.AddAkka(ClusterNode.SystemName, akka => akka
            .ConfigureLoggers(loggers => loggers.ClearLoggers())
            .AddClusterNode("127.0.0.1", 0, seed is null ? ClusterNode.CoordinatorRole : ClusterNode.WorkerRole, seed,
                certificates is null ? new ControlSecurity.Token(JoinToken.Create()) : new ControlSecurity.Certificates(new(certificates)),
                    new WorkerMetrics(registry, "cpu").Control)
            .AddHocon("akka.remote.dot-netty.tcp.connection-timeout = 2s", HoconAddMode.Prepend));
        var host = builder.Build();
        _hosts.Add(host);
        await host.StartAsync().Soon();
        var node = new Node(host.Services.GetRequiredService<ActorSystem>(), registry);
        if (seed is null) await ClusterOf(node.System).JoinAsync(ClusterOf(node.System).SelfAddress).Soon();
        return node;
    }

    private static Task JoinedAsync(Node worker)
    {
        var joined = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ClusterOf(worker.System).RegisterOnMemberUp(joined.SetResult);
        return joined.Task.Soon();
    }

    /// <summary>Repeats a message until it arrives, since Akka delivers it at most once.</summary>
    private static async Task TalkAsync(Node coordinator, Node worker)
    {
        var heard = Channel.CreateUnbounded<object>();
        var ear = coordinator.System.ActorOf(Props.Create(() => new Ear(heard.Writer)));
        var ofWorker = ((ExtendedActorSystem)worker.System).Provider
            .ResolveActorRef(ear.Path.ToSerializationFormatWithAddress(ClusterOf(coordinator.System).SelfAddress));
        using var timeout = new CancellationTokenSource(Loopback.Timeout);
        object? message;
        do
        {
            ofWorker.Tell(new Halt(3));
            await Task.Delay(TimeSpan.FromMilliseconds(20), timeout.Token);
        }
        while (!heard.Reader.TryRead(out message));
        Assert.Equal(new Halt(3), message);
    }

    private sealed class Ear(ChannelWriter<object> heard) : UntypedActor
    {
        protected override void OnReceive(object message) => heard.TryWrite(message);
    }

    private static async Task<Dictionary<Refusal, double>> RefusedAsync(Node node)
    {
        var page = await Exposition.Of(node.Registry);
        return Enum.GetValues<Refusal>()
            .Select(reason => (reason,
                count: page[$"distributed_refused_connections_total{{plane=\"control\",reason=\"{$"{reason}".ToLowerInvariant()}\"}}"]))
            .Where(refused => refused.count > 0)
            .ToDictionary(refused => refused.reason, refused => refused.count);
    }

    private static async Task UntilAsync(Node node, Func<Dictionary<Refusal, double>, bool> condition)
    {
        using var timeout = new CancellationTokenSource(Loopback.Timeout);
        while (!condition(await RefusedAsync(node))) await Task.Delay(TimeSpan.FromMilliseconds(20), timeout.Token);
    }

    private static Akka.Cluster.Cluster ClusterOf(ActorSystem system) => Akka.Cluster.Cluster.Get(system);
}
