using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using Distributed.Hosting.Metrics;
using MessagePack;

namespace Distributed.Hosting.Messages;

/// <summary>
/// MessagePack for every <see cref="IControlMessage"/>, and for nothing else. The manifest is the name of one of the known
/// contracts, never a type name to look up; bytes that are no such message are refused, which Akka.Remote logs and survives.
/// </summary>
/// <param name="metrics">Counts what is sent, received and refused, here, as every message passes and none that stays within the process.</param>
internal sealed class ProtocolSerializer(ExtendedActorSystem system, ControlMetrics? metrics = null) : SerializerWithStringManifest(system)
{
    /// <summary>Version of the protocol; both ends must speak the same.</summary>
    public const int Version = 8;

    /// <summary>Why whoever speaks another version is turned away.</summary>
    public static string Difference(int version) => $"it speaks version {version} of the protocol, the coordinator version {Version}";

    /// <summary>Identifies this serializer in every message; Akka's own are below 100.</summary>
    public const int SerializerId = 7101;

    private static readonly MessagePackSerializerOptions _options =
        MessagePackSerializerOptions.Standard.WithResolver(ShownText.Resolver).WithSecurity(MessagePackSecurity.UntrustedData);

    private static readonly FrozenDictionary<string, Contract> _contracts = typeof(IControlMessage).Assembly.GetTypes()
        .Where(t => t.IsAssignableTo(typeof(IControlMessage)) && t is { IsClass: true, IsAbstract: false })
        .ToFrozenDictionary(t => t.Name, t => new Contract(t), StringComparer.Ordinal);

    public override int Identifier => SerializerId;

    public static IEnumerable<Type> Messages => _contracts.Values.Select(c => c.Type);

    public override string Manifest(object o) => o.GetType().Name;

    /// <exception cref="SerializationException">The message is too large.</exception>
    public override byte[] ToBinary(object obj)
    {
        try
        {
            var bytes = Pack(obj);
            metrics?.Sent(obj is Numbered numbered ? numbered.Kind : Manifest(obj));
            return bytes;
        }
        catch (SerializationException)
        {
            metrics?.OversizeRefused();
            throw;
        }
    }

    /// <summary>The bytes of a message.</summary>
    /// <exception cref="SerializationException">There are more than <see cref="MessageBounds.MaxBytes"/>.</exception>
    public static byte[] Pack(object message)
    {
        var bytes = MessagePackSerializer.Serialize(message.GetType(), message, _options);
        return bytes.Length <= MessageBounds.MaxBytes ? bytes
            : throw new SerializationException($"a {message.GetType().Name} message of {bytes.Length} bytes was not sent; {MessageBounds.MaxBytes} are allowed");
    }

    /// <summary>The content of a <see cref="Numbered"/>.</summary>
    /// <exception cref="SerializationException">It is no message that one says.</exception>
    public static IControlMessage Unpack(string kind, byte[] body) =>
        _contracts.TryGetValue(kind, out var contract) && (contract.Type.IsAssignableTo(typeof(IWorkerMessage)) || contract.Type.IsAssignableTo(typeof(ICoordinatorMessage)))
            ? (IControlMessage)Read(body, contract)
            : throw new SerializationException("a numbered message without a known content was refused");

    /// <exception cref="SerializationException">The bytes are none of the known messages.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        // Akka hands over null where the sender has put in none.
        if (!_contracts.TryGetValue(manifest ?? "", out var contract))
        {
            metrics?.UnknownRefused();
            throw new SerializationException($"a message of the unknown kind '{manifest}' was refused");
        }
        try
        {
            var message = Read(bytes, contract);
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

    private static object Read(byte[] bytes, Contract contract)
    {
        try
        {
            var reader = new MessagePackReader(bytes);
            var message = MessagePackSerializer.Deserialize(contract.Type, ref reader, _options);
            if (!reader.End) throw new SerializationException($"a {contract.Type.Name} message with {bytes.Length - reader.Consumed} bytes too many was refused");
            contract.RefuseNulls(message);
            return message!;
        }
        catch (MessagePackSerializationException error)
        {
            throw new SerializationException($"{bytes.Length} bytes that are no {contract.Type.Name} message were refused", error);
        }
    }

    /// <summary>A message type, and which of its members may not be null: MessagePack fills in null for what is missing.</summary>
    private sealed class Contract(Type type)
    {
        private readonly PropertyInfo[] _required = Required(type);

        public Type Type => type;

        public void RefuseNulls(object? message)
        {
            if (message is null) throw new SerializationException($"an empty {type.Name} message was refused");
            foreach (var property in _required)
            {
                var value = property.GetValue(message)
                    ?? throw new SerializationException($"a {type.Name} message without {property.Name} was refused");
                if (value is not System.Collections.IEnumerable elements || value is string or byte[] or double[]) continue;
                foreach (var element in elements)
                {
                    if (element is null) throw new SerializationException($"a {type.Name} message with a gap in {property.Name} was refused");
                    foreach (var inner in element is string ? [] : Required(element.GetType()))
                        if (inner.GetValue(element) is null)
                            throw new SerializationException($"a {type.Name} message without {property.Name}.{inner.Name} was refused");
                }
            }
        }

        private static PropertyInfo[] Required(Type type) =>
            [.. type.GetProperties().Where(p => !p.PropertyType.IsValueType && p.GetCustomAttribute<KeyAttribute>() is not null)];
    }
}
