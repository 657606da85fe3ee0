using System.Text;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Hosting;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Links;
using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Shared.Tests.Metrics;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Prometheus;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>Actor systems with a join token, and strangers at their port.</summary>
public sealed class JoinTokenTests : IAsyncDisposable
{
    private readonly JoinToken _token = JoinToken.Create();
    private readonly List<IHost> _hosts = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var host in Enumerable.Reverse(_hosts))
        {
            await host.StopAsync().Soon();
            host.Dispose();
        }
    }

    [Fact]
    public async Task Nodes_with_the_token_form_a_cluster_with_encrypted_messages()
    {
        using var between = Relay.Start();
        var coordinator = await StartAsync(_token, relay: between);
        Assert.Equal(("akka.join.tcp", between.Port),
            (ClusterOf(coordinator.System).SelfAddress.Protocol, ClusterOf(coordinator.System).SelfAddress.Port!.Value));
        var worker = await StartAsync(_token, coordinator);
        await JoinedAsync(worker);
        byte[] secret = [.. Enumerable.Range(100, 16).Select(i => (byte)i)];
        await TalkAsync(coordinator, worker, new Register(1, "a confidential name", "cpu", secret, 1, 2));
        var (seen, token) = (between.Seen, Convert.FromBase64String(_token.ToText()));
        Assert.True(seen.Length > 1000);
        byte[][] hidden = [secret, token, .. ((string[])["a confidential name", "heartbeatReceiver",
            _token.ToText(), Convert.ToHexString(token), Convert.ToHexStringLower(token)]).Select(Encoding.ASCII.GetBytes)];
        Assert.All(hidden, bytes => Assert.True(seen.AsSpan().IndexOf(bytes) < 0));
        Assert.Empty(await RefusedAsync(coordinator));
    }

    [Fact]
    public async Task A_modified_message_is_dropped_and_the_connection_is_replaced()
    {
        using var between = Relay.Start();
        var coordinator = await StartAsync(_token, relay: between);
        var worker = await StartAsync(_token, coordinator);
        await JoinedAsync(worker);
        var messages = Channel.CreateUnbounded<object>();
        var there = coordinator.System.ActorOf(Props.Create(() => new Victim(messages.Writer)));
        var reached = Reach(there, coordinator, worker);
        between.FlipsBits = true;
        var repeated = worker.System.Scheduler.Advanced;
        using var stop = new Cancelable(repeated);
        repeated.ScheduleRepeatedly(TimeSpan.Zero, TimeSpan.FromMilliseconds(50), () => reached.Tell(new Halt(3)), stop);
        // The connection is replaced by another one, whose handshake is modified.
        await UntilAsync(coordinator, refused => refused.Values.Sum() > 0);
        Assert.False(messages.Reader.TryRead(out _));
        between.FlipsBits = false;
        Assert.Equal(new Halt(3), await messages.Reader.ReadAsync().AsTask().Soon());
    }

    [Fact]
    public async Task A_worker_with_another_token_and_its_coordinator_refuse_each_other()
    {
        var coordinator = await StartAsync(_token);
        var untrusted = new TaskCompletionSource<Address>(TaskCreationOptions.RunContinuationsAsynchronously);
        var worker = await StartAsync(JoinToken.Create(), coordinator, untrusted: address => untrusted.TrySetResult(address));
        var address = await untrusted.Task.Soon();
        Assert.Equal(ClusterOf(coordinator.System).SelfAddress.Port, address.Port);
        foreach (var node in new[] { coordinator, worker }) await UntilAsync(node, refused => refused.ContainsKey(Refusal.Untrusted));
        Assert.Single(ClusterOf(coordinator.System).State.Members);
        Assert.Empty(ClusterOf(worker.System).State.Members);
    }

    [Fact]
    public async Task Strangers_are_refused_and_counted()
    {
        using var folders = new CertificateFolders();
        var coordinator = await StartAsync(_token);
        var worker = await StartAsync(_token, coordinator);
        await JoinedAsync(worker);
        var port = ClusterOf(coordinator.System).SelfAddress.Port!.Value;
        foreach (var who in (string[])["scan", "a frame in the clear", "no certificate"])
        {
            await Stranger.ConnectAsync(who, port, folders).Soon();
            await TalkAsync(coordinator, worker, new Halt(3));
        }
        await Stranger.ConnectAsync("silence", port, folders).Soon();
        await TalkAsync(coordinator, worker, new Halt(3));
        // Akka closes connections with too long frames without another notice.
        var expected = new Dictionary<Refusal, double> { [Refusal.Closed] = 2, [Refusal.Garbage] = 1, [Refusal.Slow] = 1 };
        await UntilAsync(coordinator, refused => refused.Values.Sum() >= expected.Values.Sum());
        Assert.Equal(expected, await RefusedAsync(coordinator));
    }

    [Fact]
    public async Task Akka_without_a_token_reaches_no_actor()
    {
        var coordinator = await StartAsync(_token);
        var messages = Channel.CreateUnbounded<object>();
        var victim = coordinator.System.ActorOf(Props.Create(() => new Victim(messages.Writer)), ClusterNode.CoordinatorActor);
        var address = ClusterOf(coordinator.System).SelfAddress;
        using var plain = ActorSystem.Create(ClusterNode.SystemName, "akka { loggers = [], stdout-loglevel = OFF, actor.provider = "
            + "cluster, remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 } }");
        foreach (var protocol in (string[])["akka.tcp", "akka.join.tcp"])
            ((ExtendedActorSystem)plain).Provider.ResolveActorRef(
                victim.Path.ToSerializationFormatWithAddress(address.WithProtocol(protocol))).Tell(PoisonPill.Instance);
        ClusterOf(plain).JoinSeedNodes([address.WithProtocol("akka.tcp")]);
        await UntilAsync(coordinator, refused => refused.ContainsKey(Refusal.Garbage));
        await UntilAsync(coordinator, refused => refused.Values.Sum() >= 3);
        victim.Tell(new Halt(1));
        Assert.Equal(new Halt(1), await messages.Reader.ReadAsync().AsTask().Soon());
        Assert.Single(ClusterOf(coordinator.System).State.Members);
        Assert.Empty(ClusterOf(plain).State.Members);
        await plain.Terminate().Soon();
    }

    private sealed record Node(ActorSystem System, CollectorRegistry Registry);

    private async Task<Node> StartAsync(JoinToken token, Node? coordinator = null, Relay? relay = null, Action<Address>? untrusted = null)
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        var seed = coordinator is null ? null : NodeHost.AddressOf(coordinator.System);
        var port = 0;
        if (relay is not null) relay.To = port = FreePort();
        builder.Services.AddAkka(ClusterNode.SystemName, akka => akka
            .ConfigureLoggers(loggers => loggers.ClearLoggers())
            .AddClusterNode("127.0.0.1", port, seed is null ? ClusterNode.CoordinatorRole : ClusterNode.WorkerRole, seed,
                new ControlSecurity.Token(token, Untrusted: untrusted), new WorkerMetrics(registry, "cpu").Control)
            .AddHocon($"akka.remote.dot-netty.tcp {{ connection-timeout = 2s, public-port = {relay?.Port ?? 0} }}", HoconAddMode.Prepend));
        var host = builder.Build();
        _hosts.Add(host);
        await host.StartAsync().Soon();
        var node = new Node(host.Services.GetRequiredService<ActorSystem>(), registry);
        if (seed is null) await ClusterOf(node.System).JoinAsync(ClusterOf(node.System).SelfAddress).Soon();
        return node;
    }

    private static int FreePort()
    {
        using var socket = PipePair.Listen();
        return PipePair.PortOf(socket);
    }

    private static Task JoinedAsync(Node worker)
    {
        var joined = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        ClusterOf(worker.System).RegisterOnMemberUp(joined.SetResult);
        return joined.Task.Soon();
    }

    private static IActorRef Reach(IActorRef actor, Node there, Node from) =>
        ((ExtendedActorSystem)from.System).Provider.ResolveActorRef(
            actor.Path.ToSerializationFormatWithAddress(ClusterOf(there.System).SelfAddress));

    private static async Task TalkAsync(Node coordinator, Node worker, object message)
    {
        var inbox = Inbox.Create(coordinator.System);
        Reach(inbox.Receiver, coordinator, worker).Tell(message);
        Assert.Equivalent(message, await inbox.ReceiveAsync(Loopback.Timeout));
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

    private sealed class Victim(ChannelWriter<object> messages) : UntypedActor
    {
        protected override void OnReceive(object message) => messages.TryWrite(message);
    }
}
