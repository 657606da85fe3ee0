using System.Threading.Channels;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Serialization;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Shared.Tests.Protocol;

namespace Distributed.Shared.Tests.Cluster;

/// <summary>A member with Akka's own settings and serializers may speak the protocol, but can neither stop nor create an actor.</summary>
public sealed class HostileMemberTests : IAsyncLifetime
{
    /// <summary>A new one for each case, since a successful attack may destroy it.</summary>
    private readonly LonelyNode _node = new();

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    public ValueTask InitializeAsync() => _node.InitializeAsync();

    public ValueTask DisposeAsync() => _node.DisposeAsync();

    [Theory]
    [InlineData("stop by path")]
    [InlineData("stop by selection")]
    [InlineData("kill by path")]
    [InlineData("terminate")]
    [InlineData("suspend")]
    [InlineData("restart")]
    [InlineData("stop all")]
    public async Task No_member_can_stop_or_suspend_an_actor_of_another(string attack)
    {
        var messages = Channel.CreateUnbounded<object>();
        var victim = _node.System.ActorOf(Props.Create(() => new Victim(messages.Writer)), ClusterNode.CoordinatorActor);
        using var hostile = Hostile();
        var address = _node.System.Provider.DefaultAddress;
        var there = (IInternalActorRef)hostile.Provider.ResolveActorRef(victim.Path.ToSerializationFormatWithAddress(address));
        await TalkAsync(6);
        Attack(attack, hostile, address, there);
        await TalkAsync(7);
        await hostile.Terminate();
        await victim.GracefulStop(_patience);

        async Task TalkAsync(int generation)
        {
            there.Tell(new Halt(generation), ActorRefs.NoSender);
            Assert.Equal(new Halt(generation), await messages.Reader.ReadAsync().AsTask().WaitAsync(_patience));
        }
    }

    [Fact]
    public async Task No_member_can_deploy_an_actor_in_another()
    {
        using var hostile = Hostile();
        var address = _node.System.Provider.DefaultAddress;
        hostile.ActorOf(Props.Create(() => new Spy()).WithDeploy(new Deploy(new RemoteScope(address))));
        // After the deployment, over the same connection.
        var messages = Channel.CreateUnbounded<object>();
        var witness = _node.System.ActorOf(Props.Create(() => new Victim(messages.Writer)));
        hostile.Provider.ResolveActorRef(witness.Path.ToSerializationFormatWithAddress(address)).Tell(new Halt(7));
        Assert.Equal(new Halt(7), await messages.Reader.ReadAsync().AsTask().WaitAsync(_patience));
        Assert.DoesNotContain(_node.System.Name, Spy.Systems);
        await hostile.Terminate();
    }

    private static void Attack(string attack, ExtendedActorSystem hostile, Address address, IInternalActorRef there)
    {
        switch (attack)
        {
            case "stop by path":
                there.Tell(PoisonPill.Instance);
                break;
            case "stop by selection":
                hostile.ActorSelection(there.Path.ToStringWithAddress(address)).Tell(PoisonPill.Instance);
                break;
            case "kill by path":
                there.Tell(Kill.Instance);
                break;
            case "terminate":
                there.SendSystemMessage(new Terminate());
                break;
            case "suspend":
                there.SendSystemMessage(new Suspend());
                break;
            case "restart":
                there.SendSystemMessage(new Recreate(new InvalidOperationException("a stranger wants it")));
                break;
            case "stop all":
                ((IInternalActorRef)hostile.Provider.ResolveActorRef(new RootActorPath(address) / "user"))
                    .SendSystemMessage(new Terminate());
                break;
            default:
                throw new ArgumentException(attack, nameof(attack));
        }
    }

    private static ExtendedActorSystem Hostile() => HostileMember.Create(
        LonelyNode.Token, SerializationSetup.Create(
            system => [SerializerDetails.Create("messagepack", new ProtocolSerializer(system), [typeof(IControlMessage)])]));

    /// <summary>Reports the messages that it receives, and restarts.</summary>
    private sealed class Victim(ChannelWriter<object> messages) : UntypedActor
    {
        protected override void OnReceive(object message) => messages.TryWrite(message);

        protected override void PreRestart(Exception reason, object message) => messages.TryWrite(reason);
    }

    /// <summary>Reports where it was created.</summary>
    public sealed class Spy : UntypedActor
    {
        private static readonly System.Collections.Concurrent.ConcurrentBag<string> _systems = [];

        /// <summary>Names of the systems where it was created.</summary>
        public static IReadOnlyCollection<string> Systems => _systems;

        protected override void PreStart() => _systems.Add(Context.System.Name);

        protected override void OnReceive(object message) => Unhandled(message);
    }
}
