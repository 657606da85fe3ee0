using Distributed.Jobs;
using MessagePack;
using MessagePack.Formatters;
using MessagePack.Resolvers;

namespace Distributed.Hosting.Messages;

/// <summary>
/// The text of messages. Every string that comes from another process is cleaned here, where it enters: it is one line without anything that a
/// terminal obeys (<see cref="Shown"/>), of at most <see cref="MaxLength"/> characters, so that no log, event or terminal behind this has to think of
/// it. A member that is no text for people, such as a file, is marked with <see cref="VerbatimText"/>.
/// </summary>
internal sealed class ShownText : IMessagePackFormatter<string?>
{
    /// <summary>Characters of a text; more are cut off.</summary>
    public const int MaxLength = 16_384;

    /// <summary>Reads the strings of all messages like this.</summary>
    public static IFormatterResolver Resolver { get; } =
        CompositeResolver.Create([new ShownText(), new ArrayFormatter<string>(), new DigestFormatter()], [StandardResolver.Instance]);

    /// <inheritdoc/>
    public void Serialize(ref MessagePackWriter writer, string? value, MessagePackSerializerOptions options) => writer.Write(value);

    /// <inheritdoc/>
    public string? Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) =>
        reader.ReadString() is { } text ? Shown.InFull(text, MaxLength) : null;
}

/// <summary>A member of a message that is read as it comes, since it is parsed before anybody sees it.</summary>
public sealed class VerbatimText : IMessagePackFormatter<string?>
{
    /// <inheritdoc/>
    public void Serialize(ref MessagePackWriter writer, string? value, MessagePackSerializerOptions options) => writer.Write(value);

    /// <inheritdoc/>
    public string? Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) => reader.ReadString();
}
