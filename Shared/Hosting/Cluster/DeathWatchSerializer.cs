using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Event;
using Akka.Remote.Serialization;
using Akka.Serialization;
using Distributed.Hosting.Metrics;

namespace Distributed.Hosting.Cluster;

/// <summary>
/// Takes the place of Akka's serializer of system messages, which would also let a peer suspend, resume, restart, supervise and end actors of
/// this process. Three of them pass, with which a process learns of the end of an actor that it watches.
/// </summary>
internal sealed class DeathWatchSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : Serializer(system)
{
    private readonly SystemMessageSerializer _all = new(system);

    public override int Identifier => _all.Identifier;

    public override bool IncludeManifest => true;

    /// <exception cref="SerializationException">The message is no part of death watch.</exception>
    public override byte[] ToBinary(object obj) => _all.ToBinary(IsDeathWatch(obj.GetType()) ? obj
        : throw new SerializationException($"the system message {obj.GetType().Name} cannot leave the process"));

    /// <remarks>
    /// An exception would break the connection, since Akka repeats system messages until they are acknowledged. What this returns instead of
    /// one that is refused, Akka drops in its untrusted mode.
    /// </remarks>
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

    private static bool IsDeathWatch(Type? type) => type == typeof(Watch) || type == typeof(Unwatch) || type == typeof(DeathWatchNotification);
}
