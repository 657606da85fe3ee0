using Distributed.Core.Protocol;
using MessagePack;
using MessagePack.Formatters;

namespace Distributed.Hosting.Messages;

/// <summary>A <see cref="StateDigest"/> in a message: an array of its two halves. Members that a later version may add are skipped.</summary>
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
