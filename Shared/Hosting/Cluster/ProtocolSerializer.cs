using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Hosting.Cluster;

/// <summary>
/// MessagePack for every <see cref="IControlMessage"/>, and for nothing else. The manifest is the name of one of the known
/// contracts, never a type name to look up; bytes that are no such message are refused, which Akka.Remote logs and survives.
/// </summary>
/// <param name="metrics">Counts what is sent, received and refused, here, as every message passes and none that stays within the process.</param>
internal sealed class ProtocolSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : SerializerWithStringManifest(system)
{
    /// <summary>Identifies this serializer in every message; Akka's own are below 100.</summary>
    public const int SerializerId = 7101;

    public override int Identifier => SerializerId;

    public override string Manifest(object o) => o.GetType().Name;

    /// <exception cref="SerializationException">The message is too large.</exception>
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

    /// <exception cref="SerializationException">The bytes are none of the known messages.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        // Akka hands over null where the sender has put in none.
        if (!MessageCodec.Knows(manifest ?? ""))
        {
            metrics?.UnknownRefused();
            throw new SerializationException($"a message of the unknown kind '{manifest}' was refused");
        }
        try
        {
            var message = MessageCodec.Read(manifest!, bytes);
            // What is numbered is counted as its content, which is looked into here in any case.
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
