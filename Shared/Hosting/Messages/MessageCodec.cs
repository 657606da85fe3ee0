using System.Collections;
using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Serialization;
using Distributed.Core.Protocol;
using Distributed.Jobs;
using MessagePack;
using MessagePack.Formatters;
using MessagePack.Resolvers;

namespace Distributed.Hosting.Messages;

/// <summary>The bytes of every <see cref="IControlMessage"/>: MessagePack, under the name of a known contract.</summary>
internal static class MessageCodec
{
    public const int Version = 8; // Version of the protocol; both ends must have the same.

    private static readonly MessagePackSerializerOptions _options =
        MessagePackSerializerOptions.Standard.WithResolver(ShownText.Resolver).WithSecurity(MessagePackSecurity.UntrustedData);

    private static readonly FrozenDictionary<string, Contract> _contracts = typeof(IControlMessage).Assembly.GetTypes()
        .Where(t => t.IsAssignableTo(typeof(IControlMessage)) && t is { IsClass: true, IsAbstract: false })
        .ToFrozenDictionary(t => t.Name, t => new Contract(t), StringComparer.Ordinal);

    public static IEnumerable<Type> Messages => _contracts.Values.Select(c => c.Type);

    /// <summary>Why a peer with another version is refused.</summary>
    public static string Difference(int version) => $"it speaks version {version} of the protocol, the coordinator version {Version}";

    public static byte[] Pack(object message)
    {
        var bytes = MessagePackSerializer.Serialize(message.GetType(), message, _options);
        if (bytes.Length <= MessageBounds.MaxBytes) return bytes;
        throw new SerializationException(
            $"a {message.GetType().Name} message of {bytes.Length} bytes was not sent; {MessageBounds.MaxBytes} are allowed");
    }

    public static IControlMessage Unpack(string kind, byte[] body) =>
        _contracts.TryGetValue(kind, out var contract)
            && (contract.Type.IsAssignableTo(typeof(IWorkerMessage)) || contract.Type.IsAssignableTo(typeof(ICoordinatorMessage)))
            ? (IControlMessage)Read(body, contract)
            : throw new SerializationException("a numbered message without a known content was refused");

    public static bool Knows(string kind) => _contracts.ContainsKey(kind);
    public static object Read(string kind, byte[] bytes) => Read(bytes, _contracts[kind]);

    private static object Read(byte[] bytes, Contract contract)
    {
        var name = contract.Type.Name;
        try
        {
            var reader = new MessagePackReader(bytes);
            var message = MessagePackSerializer.Deserialize(contract.Type, ref reader, _options);
            if (!reader.End)
                throw new SerializationException($"a {name} message with {bytes.Length - reader.Consumed} bytes too many was refused");
            contract.RefuseNulls(message);
            return message!;
        }
        catch (MessagePackSerializationException error)
        {
            throw new SerializationException($"{bytes.Length} bytes that are not a {name} message were refused", error);
        }
    }

    /// <summary>A message type, and its members that may not be null: MessagePack sets missing ones to null.</summary>
    private sealed class Contract(Type type)
    {
        private readonly PropertyInfo[] _required = Required(type);

        public Type Type => type;

        public void RefuseNulls(object? message)
        {
            if (message is null) throw new SerializationException($"an empty {type.Name} message was refused");
            foreach (var property in _required)
            {
                var value = property.GetValue(message) ?? throw Without(property.Name);
                if (value is not IEnumerable elements || value is string or byte[] or double[]) continue;
                foreach (var element in elements)
                {
                    if (element is null) throw Without($"an element of {property.Name}");
                    foreach (var inner in element is string ? [] : Required(element.GetType()))
                        if (inner.GetValue(element) is null) throw Without($"{property.Name}.{inner.Name}");
                }
            }
        }

        private SerializationException Without(string member) => new($"a {type.Name} message without {member} was refused");

        private static PropertyInfo[] Required(Type type) =>
            [.. type.GetProperties().Where(p => !p.PropertyType.IsValueType && p.GetCustomAttribute<KeyAttribute>() is not null)];
    }
}

/// <summary>Cleans every string of a message from another process when it arrives (<see cref="Shown"/>), and cuts it at
/// <see cref="MaxLength"/>, so that no log, event or terminal has to clean it again. A member that is not text for people, such as a file,
/// is marked with <see cref="VerbatimText"/>.</summary>
internal sealed class ShownText : IMessagePackFormatter<string?>
{
    public const int MaxLength = 16_384; // Characters of a text; the rest is cut off.

    public static IFormatterResolver Resolver { get; } =
        CompositeResolver.Create([new ShownText(), new ArrayFormatter<string>(), new DigestFormatter()], [StandardResolver.Instance]);

    public void Serialize(ref MessagePackWriter writer, string? value, MessagePackSerializerOptions options) => writer.Write(value);

    public string? Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) =>
        reader.ReadString() is { } text ? Shown.InFull(text, MaxLength) : null;
}

/// <summary>A member of a message that is read unchanged, since it is parsed before it is shown.</summary>
public sealed class VerbatimText : IMessagePackFormatter<string?>
{
    /// <summary>As is.</summary>
    public void Serialize(ref MessagePackWriter writer, string? value, MessagePackSerializerOptions options) => writer.Write(value);

    /// <summary>As is.</summary>
    public string? Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) => reader.ReadString();
}

/// <summary>A digest as an array of its two halves. Members that a later version may add are skipped.</summary>
internal sealed class DigestFormatter : IMessagePackFormatter<StateDigest>
{
    public void Serialize(ref MessagePackWriter writer, StateDigest value, MessagePackSerializerOptions options)
    {
        writer.WriteArrayHeader(2);
        writer.Write(value.High);
        writer.Write(value.Low);
    }

    public StateDigest Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options)
    {
        options.Security.DepthStep(ref reader);
        var (high, low) = (0UL, 0UL);
        var members = reader.ReadArrayHeader();
        for (var member = 0; member < members; member++)
        {
            if (member == 0) high = reader.ReadUInt64();
            else if (member == 1) low = reader.ReadUInt64();
            else reader.Skip();
        }
        reader.Depth--;
        return new(high, low);
    }
}
