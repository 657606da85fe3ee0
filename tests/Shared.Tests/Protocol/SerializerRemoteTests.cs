using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using Akka.Serialization;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Shared.Tests.Cluster;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>A peer that speaks Akka.Remote and sends malformed messages with our serializer's id.</summary>
public sealed class SerializerRemoteTests(LonelyNode node) : IClassFixture<LonelyNode>
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);
    private static readonly Type[] _watched = [typeof(Warning), typeof(Error), typeof(RemotingLifecycleEvent)];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_malformed_message_is_refused_with_a_warning_and_the_next_valid_one_arrives(bool bySelection)
    {
        // A selection reaches only an actor of this name.
        var (receiver, received) = Listener(bySelection ? ClusterNode.CoordinatorActor : null);
        var (watcher, events) = Listener();
        foreach (var kind in _watched) node.System.EventStream.Subscribe(watcher, kind);
        using var hostile = HostileMember.Create(
            LonelyNode.Token, SerializationSetup.Create(
                system => [SerializerDetails.Create("hostile", new HostileSerializer(system), [typeof(Wire)])]));

        var path = receiver.Path.ToStringWithAddress(node.System.Provider.DefaultAddress);
        ICanTell target = bySelection ? hostile.ActorSelection(path) : hostile.Provider.ResolveActorRef(path);
        var address = hostile.Provider.DefaultAddress;
        Wire good = new(nameof(Halt), node.Serializer.ToBinary(new Halt(7)));
        Wire[] bad =
        [
            new("Bomb", good.Bytes),
            new("", good.Bytes),
            new(typeof(Halt).AssemblyQualifiedName!, good.Bytes),
            new(nameof(Halt), []),
            new(nameof(Halt), [0xC1]),
            new(nameof(Halt), [.. good.Bytes, 0]),
            new(nameof(Refused), good.Bytes),
            new(nameof(RoundsApplied), [0xDD, 0x7F, 0xFF, 0xFF, 0xFF]),
        ];
        foreach (var message in (Wire[])[good, .. bad, good]) target.Tell(message, ActorRefs.NoSender);

        for (var i = 0; i < 2; i++) Assert.Equal(new Halt(7), await ReadAsync(received));
        Assert.False(received.TryRead(out var more), $"{more} was delivered");
        node.System.EventStream.Publish(new Warning("test", GetType(), "the end"));
        var warnings = new List<Warning>();
        while (await ReadAsync(events) is var happened && happened is not Warning { Message: "the end" })
        {
            // The system of another case may still be terminating.
            if (happened is Warning warning && warning.ToString().Contains("Deserialization failed", StringComparison.Ordinal))
                warnings.Add(warning);
            else if (happened is AssociationEvent association && association.RemoteAddress.Equals(address))
                Assert.IsType<AssociatedEvent>(association);
        }
        Assert.Equal(bad.Length, warnings.Count);
        Assert.All(warnings, (warning, i) =>
        {
            var text = $"{warning.Message} {warning.Cause}";
            Assert.Contains($"{ProtocolSerializer.SerializerId}", text, StringComparison.Ordinal);
            Assert.Contains(bad[i].Manifest, text, StringComparison.Ordinal);
            Assert.Contains("refused", text, StringComparison.Ordinal);
        });
        node.System.EventStream.Unsubscribe(watcher);
        await hostile.Terminate();
    }

    private (IActorRef Actor, ChannelReader<object> Messages) Listener(string? name = null)
    {
        var messages = Channel.CreateUnbounded<object>();
        return (node.System.ActorOf(Props.Create(() => new Forwarder(messages.Writer)), name), messages.Reader);
    }

    private static async Task<object> ReadAsync(ChannelReader<object> messages) => await messages.ReadAsync().AsTask().WaitAsync(_timeout);

    private sealed record Wire(string Manifest, byte[] Bytes);

    private sealed class HostileSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
    {
        public override int Identifier => ProtocolSerializer.SerializerId;

        public override string Manifest(object o) => ((Wire)o).Manifest;

        public override byte[] ToBinary(object obj) => ((Wire)obj).Bytes;

        public override object FromBinary(byte[] bytes, string manifest) => throw new NotSupportedException();
    }

    private sealed class Forwarder(ChannelWriter<object> messages) : UntypedActor
    {
        protected override void OnReceive(object message) => messages.TryWrite(message);
    }
}
