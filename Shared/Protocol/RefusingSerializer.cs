using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace Distributed.Shared.Protocol;

/// <summary>
/// Takes the place of Akka's default JSON serializer, which would create whatever .NET type the bytes name. What has no
/// serializer of its own can neither be sent nor received.
/// </summary>
public sealed class RefusingSerializer(ExtendedActorSystem system) : Serializer(system)
{
    /// <summary>The identifier of Akka's JSON serializer.</summary>
    public override int Identifier => 1;

    /// <inheritdoc/>
    public override bool IncludeManifest => true;

    /// <inheritdoc/>
    /// <exception cref="SerializationException">Always.</exception>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} is no message of the protocol and cannot leave the process");

    /// <inheritdoc/>
    /// <exception cref="SerializationException">Always.</exception>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("a message in JSON was refused");
}
