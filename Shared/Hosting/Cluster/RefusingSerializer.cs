using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace Distributed.Hosting.Cluster;

/// <summary>
/// Takes the place of a serializer of Akka's that would do what a message says: the default one for JSON creates any .NET type that the
/// bytes name, the one for remote deployment creates actors. What has no serializer of its own can neither be sent nor received.
/// </summary>
/// <param name="what">What is refused, behind "a message".</param>
internal sealed class RefusingSerializer(ExtendedActorSystem system, int identifier, string what) : Serializer(system)
{
    public const int Json = 1;

    /// <summary>Akka's identifier of messages of Protobuf, whose types the bytes name.</summary>
    public const int Protobuf = 2;

    /// <summary>Akka's identifier of the messages that deploy an actor in another process.</summary>
    public const int Deployment = 3;

    public override int Identifier => identifier;

    public override bool IncludeManifest => true;

    /// <exception cref="SerializationException">Always.</exception>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} is no message of the protocol and cannot leave the process");

    /// <exception cref="SerializationException">Always.</exception>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException($"a message {what} was refused");
}
