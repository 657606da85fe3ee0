using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Serialization;
using MessagePack;

namespace Distributed.Hosting.Messages;

/// <summary>The bytes of every <see cref="IControlMessage"/>: MessagePack, under the name of one of the known contracts.</summary>
internal static class MessageCodec
{
    /// <summary>Version of the protocol; both ends must speak the same.</summary>
    public const int Version = 8;

    /// <summary>Why whoever speaks another version is turned away.</summary>
    public static string Difference(int version) => $"it speaks version {version} of the protocol, the coordinator version {Version}";

    private static readonly MessagePackSerializerOptions _options =
        MessagePackSerializerOptions.Standard.WithResolver(ShownText.Resolver).WithSecurity(MessagePackSecurity.UntrustedData);

    private static readonly FrozenDictionary<string, Contract> _contracts = typeof(IControlMessage).Assembly.GetTypes()
        .Where(t => t.IsAssignableTo(typeof(IControlMessage)) && t is { IsClass: true, IsAbstract: false })
        .ToFrozenDictionary(t => t.Name, t => new Contract(t), StringComparer.Ordinal);

    public static IEnumerable<Type> Messages => _contracts.Values.Select(c => c.Type);

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

    /// <summary>Whether there is a message of this name.</summary>
    public static bool Knows(string kind) => _contracts.ContainsKey(kind);

    /// <exception cref="SerializationException">The bytes are no such message.</exception>
    public static object Read(string kind, byte[] bytes) => Read(bytes, _contracts[kind]);

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
