using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Remote.Serialization;
using Akka.Serialization;
using Distributed.Hosting.Metrics;

namespace Distributed.Hosting.Cluster;

/// <summary>
/// Takes the place of Akka's serializer of miscellaneous messages, among them PoisonPill and Kill, the latter of which passes Akka's untrusted
/// mode. The heartbeats of death watch pass.
/// </summary>
internal sealed class HeartbeatSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : SerializerWithStringManifest(system)
{
    // Akka's manifests of RemoteWatcher's Heartbeat and HeartbeatRsp.
    private const string Heartbeat = "RWHB", Answer = "RWHR";

    private readonly MiscMessageSerializer _all = new(system);

    public override int Identifier => _all.Identifier;

    public override string Manifest(object o) => _all.Manifest(o);

    /// <exception cref="SerializationException">The message is no heartbeat.</exception>
    public override byte[] ToBinary(object obj) => _all.Manifest(obj) is Heartbeat or Answer ? _all.ToBinary(obj)
        : throw new SerializationException($"{obj.GetType().Name} cannot leave the process");

    /// <exception cref="SerializationException">The message is no heartbeat.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (manifest is Heartbeat or Answer) return _all.FromBinary(bytes, manifest);
        metrics?.UnknownRefused();
        throw new SerializationException($"a message of Akka's with the manifest '{manifest}' was refused");
    }
}
