using System.Reflection;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Metrics;
using Distributed.Shared.Tests.Processes;
using MessagePack;

namespace Distributed.Shared.Tests.Protocol;

public sealed class SerializerTests(LonelyNode node) : IClassFixture<LonelyNode>
{
    private readonly ProtocolSerializer _serializer = node.Serializer;

    /// <summary>Manifest and bytes of a valid message.</summary>
    private Gen<(string Manifest, byte[] Bytes)> Good =>
        ControlMessages.Any.Select(m => (_serializer.Manifest(m), _serializer.ToBinary(m)));

    [Fact]
    public void Every_message_has_a_sample() =>
        Assert.Equal(MessageCodec.Messages.Select(t => t.Name).Order(), ControlMessages.Samples.Select(m => m.GetType().Name).Order());

    /// <summary>If this fails, the protocol has changed: increase <see cref="MessageCodec.Version"/>.</summary>
    [Fact]
    public void The_bytes_of_messages_are_those_of_this_version_of_the_protocol() =>
        Assert.Equal("8: f41a3fe954c5ea340407eaca4189c3b4",
            MessageCodec.Version + ": "
            + Convert.ToHexStringLower(SHA256.HashData([.. ControlMessages.Samples.SelectMany(MessageCodec.Pack)]))[..32]);

    [Fact]
    public void Every_message_goes_through_this_serializer_and_no_other() => Assert.All(ControlMessages.Samples, message =>
    {
        Assert.IsType<ProtocolSerializer>(node.System.Serialization.FindSerializerFor(message));
        Assert.IsType<ProtocolSerializer>(node.System.Serialization.FindSerializerForType(message.GetType()));
    });

    [Fact]
    public void Every_message_survives_a_round_trip() => Assert.All(ControlMessages.Samples, message =>
    {
        var bytes = node.System.Serialization.Serialize(message);
        var back = node.System.Serialization.Deserialize(bytes, ProtocolSerializer.SerializerId, _serializer.Manifest(message));
        Assert.Equivalent(message, back, strict: true);
        Assert.Equal(bytes, node.System.Serialization.Serialize(back));
    });

    /// <summary>All but <see cref="Numbered"/>, whose text is that of the message in it.</summary>
    private static readonly Gen<IControlMessage> Saying = ControlMessages.Any.Where(message => message is not Numbered);

    [Fact]
    public void Text_of_a_message_is_one_line_without_control_characters() =>
        Gen.Select(Saying, ShownTests.Hostile.Array[12]).Sample((sample, texts) =>
        {
            var type = sample.GetType();
            var next = 0;
            var constructors = type.GetConstructors().Where(made => made.GetParameters().Length > 0);
            var hostile = constructors.Single(made => made.GetParameters()[0].ParameterType != type) is var constructor
                ? constructor.Invoke([.. constructor.GetParameters().Select(parameter => parameter.ParameterType switch
                {
                    var text when text == typeof(string) => texts[next++],
                    var list when list == typeof(string[]) => texts[next++..][..2],
                    _ => type.GetProperty(parameter.Name!)!.GetValue(sample),
                })])
                : null!;
            var back = _serializer.FromBinary(_serializer.ToBinary(hostile), _serializer.Manifest(sample));
            foreach (var property in type.GetProperties().Where(property => property.GetCustomAttribute<KeyAttribute>() is not null))
            {
                if (property.GetCustomAttribute<MessagePackFormatterAttribute>() is not null)
                    Assert.Equal(
                        Encoding.UTF8.GetString(Encoding.UTF8.GetBytes((string)property.GetValue(hostile)!)),
                        property.GetValue(back));
                else if (property.GetValue(back) is string text) ShownTests.HasOneLineToBeSeen(text);
                else if (property.GetValue(back) is string[] list) Assert.All(list, ShownTests.HasOneLineToBeSeen);
            }
        });

    [Fact]
    public void Text_of_a_message_is_bounded() =>
        Assert.InRange(
            ((Failed)_serializer.FromBinary(_serializer.ToBinary(new Failed(new('x', 1 << 18))), nameof(Failed))).Reason.Length,
            16_000,
            17_000);

    [Fact]
    public void No_message_may_lack_a_reference() => Assert.All(MessageCodec.Messages.Append(typeof(RoundReport)), type =>
    {
        var context = new NullabilityInfoContext();
        Assert.All(type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly), property =>
            Assert.Equal(NullabilityState.NotNull, context.Create(property).ReadState));
    });

    [Fact]
    public void Nil_in_place_of_any_value_is_refused() => Good.Sample((manifest, bytes) =>
        Assert.All(Values(bytes), value => AssertRefused(Replace(bytes, value, [MessagePackCode.Nil]), manifest)));

    [Fact]
    public void A_missing_reference_is_refused()
    {
        // The last member is a reference, and the array is one shorter.
        AssertRefused([0x90], nameof(Refused));
        AssertRefused([0x92, 0x01, 0xA1, (byte)'a'], nameof(Register));
        AssertRefused([0x93, 0x01, 0x02, 0x03], nameof(BeginPlan));
        AssertRefused([0x90], nameof(RoundsApplied));
        AssertRefused([0x91, 0x91, 0x92, 0x01, 0xA1, (byte)'a'], nameof(RoundsApplied));
    }

    [Fact]
    public async Task Messages_are_counted_by_contract_unless_refused()
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var serializer = new ProtocolSerializer(node.System, new TrainingMetrics(registry).Control);
        foreach (var message in ControlMessages.Samples.Where(message => message is not Numbered))
        {
            var bytes = serializer.ToBinary(message);
            serializer.FromBinary(bytes, serializer.Manifest(message));
            serializer.FromBinary(bytes, serializer.Manifest(message));
            Assert.Throws<SerializationException>(() => serializer.FromBinary([.. bytes, 0], serializer.Manifest(message)));
        }
        var page = await Exposition.Of(registry);
        Assert.All(MessageCodec.Messages.Where(type => type != typeof(Numbered)), type =>
        {
            Assert.Equal(1, page[$"distributed_control_messages_total{{direction=\"sent\",message=\"{type.Name}\"}}"]);
            Assert.Equal(2, page[$"distributed_control_messages_total{{direction=\"received\",message=\"{type.Name}\"}}"]);
        });
    }

    [Fact]
    public async Task A_numbered_message_is_counted_as_its_content()
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var serializer = new ProtocolSerializer(node.System, new TrainingMetrics(registry).Control);
        serializer.FromBinary(serializer.ToBinary(Numbered.Of(1, 1, 0, new Halt(3))), nameof(Numbered));
        var page = await Exposition.Of(registry);
        foreach (var direction in (string[])["sent", "received"])
            Assert.Equal(1, page[$"distributed_control_messages_total{{direction=\"{direction}\",message=\"Halt\"}}"]);
    }

    [Fact]
    public void Invalid_content_of_a_numbered_message_is_refused()
    {
        var halt = _serializer.ToBinary(new Halt(3));
        (string, byte[])[] contents =
        [
            ("Bomb", halt), ("", halt), (nameof(Numbered), _serializer.ToBinary(Numbered.Of(1, 1, 0, new Halt(3)))),
            (nameof(Heard), _serializer.ToBinary(new Heard(1, 1))), (nameof(Halt), []),
        ];
        foreach (var (kind, body) in contents)
            AssertRefused(_serializer.ToBinary(new Numbered(1, 1, 0, kind, body)), nameof(Numbered));
    }

    [Fact]
    public async Task A_message_that_is_too_large_is_logged_and_counted_instead_of_sent()
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var serializer = new ProtocolSerializer(node.System, new TrainingMetrics(registry).Control);
        var refused = Assert.Throws<SerializationException>(() => serializer.ToBinary(new Probe(new('x', MessageBounds.MaxBytes))));
        Assert.Equal(
            $"a Probe message of {MessageBounds.MaxBytes + 6} bytes was not sent; {MessageBounds.MaxBytes} are allowed",
            refused.Message);
        Assert.Equal(1, (await Exposition.Of(registry))[$"{MetricNames.RefusedMessages}{{reason=\"oversize\"}}"]);
        Assert.Throws<SerializationException>(() => Numbered.Of(1, 1, 0, new Probe(new('x', MessageBounds.MaxBytes))));
    }

    [Fact]
    public void An_unknown_manifest_is_refused()
    {
        var known = MessageCodec.Messages.Select(t => t.Name).ToHashSet();
        Gen.Select(Gen.String, Good).Where((manifest, _) => !known.Contains(manifest))
            .Sample((manifest, good) => AssertRefused(good.Bytes, manifest));
        string[] close =
            ["", "register", "Register ", nameof(IControlMessage), nameof(RoundReport), typeof(Register).AssemblyQualifiedName!];
        Assert.All(close, manifest => Assert.Contains($"'{manifest}'", AssertRefused([0x90], manifest), StringComparison.Ordinal));
        AssertRefused([0x90], null!);
    }

    [Fact]
    public void Truncated_messages_are_refused() => Good.Sample((manifest, bytes) =>
        Assert.All(Enumerable.Range(0, bytes.Length), length => AssertRefused(bytes[..length], manifest)));

    [Fact]
    public void Bytes_after_a_message_are_refused() => Gen.Select(Good, Gen.Byte.Array[1, 20]).Sample((good, more) =>
        Assert.Contains($"{more.Length} bytes too many", AssertRefused([.. good.Bytes, .. more], good.Manifest), StringComparison.Ordinal));

    [Fact]
    public void Mutated_messages_are_messages_or_refused() =>
        Gen.Select(Good, Gen.Select(Gen.Int[0, 1000], Gen.OneOf(Gen.Byte, Gen.Byte[0xC0, 0xDF])).Array[1, 6]).Sample((good, changes) =>
        {
            foreach (var (at, value) in changes) good.Bytes[at % good.Bytes.Length] = value;
            AssertMessageOrRefused(good.Bytes, good.Manifest);
        }, iter: 20_000);

    [Fact]
    public void Random_bytes_are_messages_or_refused() =>
        Gen.Select(Good, Gen.Byte.Array[0, 60]).Sample((good, noise) => AssertMessageOrRefused(noise, good.Manifest), iter: 20_000);

    [Fact]
    public void Lengths_beyond_the_message_are_refused_and_not_allocated()
    {
        byte[] codes =
            [MessagePackCode.Array32, MessagePackCode.Str32, MessagePackCode.Bin32, MessagePackCode.Map32, MessagePackCode.Ext32];
        var lengths = Gen.OneOf(Gen.UInt[1 << 20, uint.MaxValue], Gen.OneOfConst(uint.MaxValue, (uint)int.MaxValue));
        Gen.Select(Good, Gen.OneOfConst(codes), lengths).Sample((good, code, length) =>
        {
            byte[] header = [code, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length];
            foreach (var value in Values(good.Bytes))
            {
                var hostile = Replace(good.Bytes, value, header);
                var before = GC.GetAllocatedBytesForCurrentThread();
                AssertRefused(hostile, good.Manifest);
                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
            }
        });
    }

    [Fact]
    public void Deeply_nested_arrays_do_no_harm() => Good.Sample((manifest, bytes) =>
    {
        byte[] nested = [.. Enumerable.Repeat((byte)0x91, 400_000), 0x00];
        foreach (var value in Values(bytes)) AssertMessageOrRefused(Replace(bytes, value, nested), manifest);
        // As a member of a later version, which is skipped.
        AssertMessageOrRefused([(byte)(bytes[0] + 1), .. bytes[1..], .. nested], manifest);
    }, iter: 20);

    private string AssertRefused(byte[] bytes, string manifest)
    {
        var refused = Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes, manifest));
        Assert.Contains("refused", refused.Message, StringComparison.Ordinal);
        return refused.Message;
    }

    private void AssertMessageOrRefused(byte[] bytes, string manifest)
    {
        try
        {
            var message = _serializer.FromBinary(bytes, manifest);
            Assert.Equal(manifest, message.GetType().Name);
            // Complete enough to be serialized.
            _serializer.FromBinary(_serializer.ToBinary(message), manifest);
        }
        catch (SerializationException refused)
        {
            Assert.Contains("refused", refused.Message, StringComparison.Ordinal);
        }
    }

    private static byte[] Replace(byte[] bytes, Range value, byte[] by) =>
        [.. bytes[..value.Start.Value], .. by, .. bytes[value.End.Value..]];

    /// <summary>The positions of the values of a message: the whole, its members, their elements.</summary>
    private static List<Range> Values(byte[] bytes)
    {
        var reader = new MessagePackReader(bytes);
        var values = new List<Range>();
        Collect(ref reader, values);
        return values;
    }

    private static void Collect(ref MessagePackReader reader, List<Range> values)
    {
        var start = (int)reader.Consumed;
        if (reader.NextMessagePackType == MessagePackType.Array)
        {
            for (var left = reader.ReadArrayHeader(); left > 0; left--) Collect(ref reader, values);
        }
        else
        {
            reader.Skip();
        }
        values.Add(start..(int)reader.Consumed);
    }
}
