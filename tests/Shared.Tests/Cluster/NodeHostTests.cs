using System.Collections.Concurrent;
using System.Runtime.Serialization;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Security;
using Distributed.Shared.Tests.Links;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using ClusterEvent = Akka.Cluster.ClusterEvent;
using Member = Akka.Cluster.Member;
using MemberStatus = Akka.Cluster.MemberStatus;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>Two nodes of a cluster in this process, over real sockets.</summary>
public sealed class NodeHostTests
{
    private static readonly NodeSecurity _security = NodeSecurity.Of(JoinToken.Create());

    [Fact]
    public async Task A_coordinator_and_its_workers_form_a_cluster_and_one_that_stops_leaves_it()
    {
        var log = new ListLog();
        using var coordinator = await StartAsync(ClusterNode.CoordinatorRole, null, log);
        var seed = NodeHost.AddressOf(SystemOf(coordinator));
        Assert.StartsWith("127.0.0.1:", seed, StringComparison.Ordinal);
        using var first = await StartAsync(ClusterNode.WorkerRole, seed, log);
        using var second = await StartAsync(ClusterNode.WorkerRole, seed, log);
        IHost[] nodes = [coordinator, first, second];
        foreach (var node in nodes)
        {
            var members = await WhenAsync(node, members => members.Count(m => m.Status == MemberStatus.Up) == 3);
            Assert.Equal(["coordinator", "worker", "worker"], members.Select(m => Assert.Single(m.Roles)).Order());
            Assert.Equal(ClusterOf(coordinator).SelfAddress, members.Single(m => m.HasRole(ClusterNode.CoordinatorRole)).Address);
        }

        await second.StopAsync().Soon();
        foreach (var node in (IHost[])[coordinator, first]) await WhenAsync(node, left => left.Count == 2);
        await first.StopAsync().Soon();
        await coordinator.StopAsync().Soon();
        Assert.NotEmpty(log.Lines);
    }

    [Fact]
    public async Task Only_messages_of_the_protocol_go_from_node_to_node()
    {
        using var coordinator = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog());
        using var worker = await StartAsync(ClusterNode.WorkerRole, NodeHost.AddressOf(SystemOf(coordinator)), new ListLog());
        await WhenAsync(worker, members => members.Count(m => m.Status == MemberStatus.Up) == 2);
        var inbox = Inbox.Create(SystemOf(coordinator));
        var path = inbox.Receiver.Path.ToSerializationFormatWithAddress(ClusterOf(coordinator).SelfAddress);
        var there = ((ExtendedActorSystem)SystemOf(worker)).Provider.ResolveActorRef(path);
        there.Tell(new NoMessage("a text"));
        there.Tell(new Halt(3));
        Assert.Equal(new Halt(3), inbox.Receive(Loopback.Timeout));
        await worker.StopAsync().Soon();
        await coordinator.StopAsync().Soon();
    }

    [Fact]
    public async Task Only_messages_have_a_serializer()
    {
        using var node = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog());
        var serialization = SystemOf(node).Serialization;
        Assert.IsType<ProtocolSerializer>(serialization.FindSerializerForType(typeof(Halt)));
        foreach (var type in (Type[])[typeof(NoMessage), typeof(object), typeof(Exception), typeof(Dictionary<string, object>)])
            Assert.IsType<RefusingSerializer>(serialization.FindSerializerForType(type));
        var refusal = Assert.Throws<SerializationException>(() => serialization.Serialize(new NoMessage("a text")));
        Assert.Contains("is not a message of the protocol", refusal.Message, StringComparison.Ordinal);

        // Akka's default serializer would send it as JSON and create it from that.
        var json = """{"$type":"System.IO.FileInfo, System.Private.CoreLib","fileName":"/etc/passwd"}"""u8.ToArray();
        foreach (var manifest in (string[])["System.IO.FileInfo, System.Private.CoreLib", typeof(NoMessage).AssemblyQualifiedName!])
            Assert.Throws<SerializationException>(() => serialization.Deserialize(json, 1, manifest));
        Assert.Throws<SerializationException>(() => serialization.Deserialize(json, 1, typeof(NoMessage)));
        await node.StopAsync().Soon();
    }

    [Fact]
    public async Task Only_the_coordinator_removes_members()
    {
        using var coordinator = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog());
        using var worker = await StartAsync(ClusterNode.WorkerRole, NodeHost.AddressOf(SystemOf(coordinator)), new ListLog());
        Assert.IsType<CoordinatorDowning>(ClusterOf(coordinator).DowningProvider);
        Assert.IsType<NoDowning>(ClusterOf(worker).DowningProvider);
        await worker.StopAsync().Soon();
        await coordinator.StopAsync().Soon();
    }

    [Fact]
    public async Task A_silent_member_is_removed_unless_it_is_heard_again()
    {
        using var coordinator = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog());
        var seed = NodeHost.AddressOf(SystemOf(coordinator));
        using var silent = await StartAsync(ClusterNode.WorkerRole, seed, new ListLog());
        using var heard = await StartAsync(ClusterNode.WorkerRole, seed, new ListLog());
        var members = await WhenAsync(coordinator, members => members.Count(m => m.Status == MemberStatus.Up) == 3);
        Member Of(IHost node) => members.Single(m => m.UniqueAddress.Equals(ClusterOf(node).SelfUniqueAddress));
        var downing = new CoordinatorDowning(SystemOf(coordinator), ClusterOf(coordinator)) { Grace = TimeSpan.FromMilliseconds(200) };
        var judge = SystemOf(coordinator).ActorOf(downing.DowningActorProps);

        // If two grace periods end at the same time, the first member is removed first.
        judge.Tell(new ClusterEvent.UnreachableMember(Of(heard)));
        judge.Tell(new ClusterEvent.UnreachableMember(Of(silent)));
        judge.Tell(new ClusterEvent.ReachableMember(Of(heard)));

        await SystemOf(silent).WhenTerminated.Soon();
        foreach (var node in (IHost[])[coordinator, heard])
            Assert.DoesNotContain(Of(silent).Address, (await WhenAsync(node, left => left.Count == 2)).Select(m => m.Address));
        await heard.StopAsync().Soon();
        await coordinator.StopAsync().Soon();
    }

    [Fact]
    public async Task A_node_waits_for_its_coordinator()
    {
        using var lonely = await StartAsync(ClusterNode.WorkerRole, "127.0.0.1:1", new ListLog());
        Assert.Empty(ClusterOf(lonely).State.Members);
        await lonely.StopAsync().Soon();
    }

    [Fact]
    public async Task A_port_has_one_coordinator_at_a_time()
    {
        var first = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog());
        var port = ClusterOf(first).SelfAddress.Port!.Value;
        // With a connection, after which the port is in TIME_WAIT.
        using var worker = await StartAsync(ClusterNode.WorkerRole, NodeHost.AddressOf(SystemOf(first)), new ListLog());
        await WhenAsync(worker, members => members.Count(m => m.Status == MemberStatus.Up) == 2);
        var refused = await Assert.ThrowsAsync<IOException>(() => StartAsync(ClusterNode.CoordinatorRole, null, new ListLog(), port: port));
        Assert.StartsWith($"port {port} is in use: another process listens on it", refused.Message, StringComparison.Ordinal);
        await first.StopAsync().Soon();
        first.Dispose();
        using var next = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog(), port: port);
        Assert.Equal(port, ClusterOf(next).SelfAddress.Port);
        await worker.StopAsync().Soon();
        await next.StopAsync().Soon();
    }

    [Fact]
    public async Task A_node_stays_a_member_when_its_connections_are_reset()
    {
        using var before = new ResettingRelay("127.0.0.2", "127.0.0.1");
        using var behind = new ResettingRelay("127.0.0.3", "127.0.0.1");
        using var coordinator = await StartAsync(ClusterNode.CoordinatorRole, null, new ListLog(), "127.0.0.2", before.Port);
        using var worker = await StartAsync(ClusterNode.WorkerRole,
            NodeHost.AddressOf(SystemOf(coordinator)), new ListLog(), "127.0.0.3", behind.Port);
        await WhenAsync(worker, members => members.Count(m => m.Status == MemberStatus.Up) == 2);
        var (heard, events) = (Channel.CreateUnbounded<object>(), Channel.CreateUnbounded<object>());
        // The only user actor that peers may select by its path.
        var ear = SystemOf(coordinator).ActorOf(Props.Create(() => new Ear(heard.Writer)), ClusterNode.CoordinatorActor);
        var witness = SystemOf(coordinator).ActorOf(Props.Create(() => new Ear(events.Writer)));
        foreach (var node in (IHost[])[coordinator, worker]) SystemOf(node).EventStream.Subscribe(witness, typeof(QuarantinedEvent));
        ClusterOf(coordinator).Subscribe(witness, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.MemberDowned), typeof(ClusterEvent.MemberRemoved));
        var path = ear.Path.ToStringWithAddress(ClusterOf(coordinator).SelfAddress);
        var speaker = SystemOf(worker).ActorOf(Props.Create(() => new Speaker(path)));
        var resets = 0;
        for (var generation = 1; generation <= 5; generation++)
        {
            // Its messages are lost until the connection is made again.
            using var overdue = new CancellationTokenSource(Loopback.Timeout);
            do
            {
                speaker.Tell(new Halt(generation));
                await Task.Delay(20, overdue.Token);
            }
            while (!heard.Reader.TryRead(out var said) || said is not Halt halt || halt.Generation != generation);
            resets += before.Reset() + behind.Reset();
        }
        Assert.InRange(resets, 5, 100);
        Assert.False(events.Reader.TryRead(out var happened), $"{happened}");
        // Akka may lose the notice of a stopped actor; that of a node comes with its membership.
        await worker.StopAsync().Soon();
        while (await heard.Reader.ReadAsync().AsTask().Soon() is not Terminated)
        {
            // An earlier message.
        }
        await coordinator.StopAsync().Soon();
    }

    /// <summary>Forwards messages, and watches their sender.</summary>
    private sealed class Ear(ChannelWriter<object> heard) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is Halt) Context.Watch(Sender);
            heard.TryWrite(message);
        }
    }

    private sealed class Speaker : ReceiveActor
    {
        public Speaker(string path) => Receive<Halt>(halt => Context.ActorSelection(path).Tell(halt));
    }

    private static async Task<IHost> StartAsync(string role, string? seed, ILoggerProvider log, string host = "127.0.0.1", int port = 0)
    {
        var node = NodeHost.Build(host, port, role, seed, logging => logging.AddProvider(log), _security, bind: "127.0.0.1");
        await NodeHost.StartAsync(node, port, default).Soon();
        // Like the coordinator's process, which knows its address only now.
        if (role == ClusterNode.CoordinatorRole) ClusterOf(node).Join(ClusterOf(node).SelfAddress);
        return node;
    }

    private static ActorSystem SystemOf(IHost host) => host.Services.GetRequiredService<ActorSystem>();

    private static Akka.Cluster.Cluster ClusterOf(IHost host) => Akka.Cluster.Cluster.Get(SystemOf(host));

    private static async Task<IReadOnlyCollection<Member>> WhenAsync(IHost node, Func<IReadOnlyCollection<Member>, bool> isSo)
    {
        var done = new TaskCompletionSource<IReadOnlyCollection<Member>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var watcher = SystemOf(node).ActorOf(Props.Create(() => new Watcher(isSo, done)));
        ClusterOf(node).Subscribe(watcher, typeof(ClusterEvent.IMemberEvent));
        var members = await done.Task.Soon();
        ClusterOf(node).Unsubscribe(watcher);
        return members;
    }

    private sealed record NoMessage(string Text);

    private sealed class Watcher(Func<IReadOnlyCollection<Member>, bool> isSo, TaskCompletionSource<IReadOnlyCollection<Member>> done)
        : UntypedActor
    {
        private readonly Dictionary<Address, Member> _members = [];

        protected override void OnReceive(object message)
        {
            if (message is ClusterEvent.CurrentClusterState state)
                foreach (var member in state.Members) _members[member.Address] = member;
            else if (message is ClusterEvent.MemberRemoved removed) _members.Remove(removed.Member.Address);
            else if (message is ClusterEvent.IMemberEvent changed) _members[changed.Member.Address] = changed.Member;
            if (isSo(_members.Values)) done.TrySetResult([.. _members.Values]);
        }
    }

    private sealed class ListLog : ILoggerProvider, Microsoft.Extensions.Logging.ILogger
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IReadOnlyCollection<string> Lines => _lines;

        public Microsoft.Extensions.Logging.ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel,
            EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Enqueue($"{logLevel}: {formatter(state, exception)}");

        public void Dispose() { }
    }
}
