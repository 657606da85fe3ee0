using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Event;
using Akka.Remote.Serialization;
using Akka.Serialization;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Hosting.Cluster;

/// <summary>MessagePack for every <see cref="IControlMessage"/>, and for no other type. The manifest is the name of a known contract, never
/// of a type. It refuses other bytes, which Akka.Remote logs and survives.</summary>
/// <param name="metrics">Counted here, since every message passes except those within the process.</param>
internal sealed class ProtocolSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : SerializerWithStringManifest(system)
{
    public const int SerializerId = 7101; // Akka's own identifiers are below 100.

    public override int Identifier => SerializerId;

    public override string Manifest(object o) => o.GetType().Name;

    public override byte[] ToBinary(object obj)
    {
        try
        {
            var bytes = MessageCodec.Pack(obj);
            metrics?.Sent(obj is Numbered numbered ? numbered.Kind : Manifest(obj));
            return bytes;
        }
        catch (SerializationException)
        {
            metrics?.OversizeRefused();
            throw;
        }
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        // Akka passes null if the sender has set no manifest.
        if (!MessageCodec.Knows(manifest ?? ""))
        {
            metrics?.UnknownRefused();
            throw new SerializationException($"a message of the unknown kind '{manifest}' was refused");
        }
        try
        {
            var message = MessageCodec.Read(manifest!, bytes);
            // A numbered message counts as its content, which is checked here in any case.
            var counted = message is Numbered numbered ? numbered.Content : message;
            metrics?.Received(counted.GetType().Name);
            return message;
        }
        catch (SerializationException)
        {
            metrics?.MalformedRefused();
            throw;
        }
    }
}

/// <summary>Replaces a serializer of Akka's that would obey a message: the default one for JSON creates any .NET type that the bytes name,
/// the one for remote deployment creates actors. A type without its own serializer can be neither sent nor received.</summary>
/// <param name="what">The refused kind, after "a message".</param>
internal sealed class RefusingSerializer(ExtendedActorSystem system, int identifier, string what) : Serializer(system)
{
    // Akka's identifiers of messages whose types the bytes name, and of messages that deploy an actor.
    public const int Json = 1, Protobuf = 2, Deployment = 3;

    public override int Identifier => identifier;
    public override bool IncludeManifest => true;

    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} is not a message of the protocol and cannot leave the process");

    public override object FromBinary(byte[] bytes, Type type) => throw new SerializationException($"a message {what} was refused");
}

/// <summary>Replaces Akka's serializer of PoisonPill, Kill (which passes its untrusted mode) and others: only heartbeats pass.</summary>
internal sealed class HeartbeatSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : SerializerWithStringManifest(system)
{
    // Akka's manifests of RemoteWatcher's Heartbeat and HeartbeatRsp.
    private const string Heartbeat = "RWHB", Answer = "RWHR";

    private readonly MiscMessageSerializer _all = new(system);

    public override int Identifier => _all.Identifier;

    public override string Manifest(object o) => _all.Manifest(o);

    public override byte[] ToBinary(object obj) => _all.Manifest(obj) is Heartbeat or Answer ? _all.ToBinary(obj)
        : throw new SerializationException($"{obj.GetType().Name} cannot leave the process");

    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (manifest is Heartbeat or Answer) return _all.FromBinary(bytes, manifest);
        metrics?.UnknownRefused();
        throw new SerializationException($"a message of Akka's with the manifest '{manifest}' was refused");
    }
}

/// <summary>Replaces Akka's serializer of system messages, with which a peer could also suspend, resume, restart, supervise and stop actors
/// of this process. Only the three messages of death watch pass.</summary>
internal sealed class DeathWatchSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : Serializer(system)
{
    private readonly SystemMessageSerializer _all = new(system);

    public override int Identifier => _all.Identifier;
    public override bool IncludeManifest => true;

    public override byte[] ToBinary(object obj) => _all.ToBinary(IsDeathWatch(obj.GetType()) ? obj
        : throw new SerializationException($"the system message {obj.GetType().Name} cannot leave the process"));

    // An exception would break the connection, since Akka repeats system messages until they are acknowledged. Akka's untrusted mode drops
    // the message that this returns instead.
    public override object FromBinary(byte[] bytes, Type type)
    {
        if (IsDeathWatch(type)) return _all.FromBinary(bytes, type);
        metrics?.UnknownRefused();
        system.Log.Warning("The system message {0} was refused", type?.Name);
        return Dropped.Instance;
    }

    private sealed class Dropped : IPossiblyHarmful
    {
        public static readonly Dropped Instance = new();
    }

    private static bool IsDeathWatch(Type? type) =>
        type == typeof(Watch) || type == typeof(Unwatch) || type == typeof(DeathWatchNotification);
}
