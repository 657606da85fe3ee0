using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using Distributed.Jobs.State;

namespace Distributed.Shared.Tests.State;

public sealed class SafetensorsTests
{
    private static readonly Gen<string> _text = Gen.String[0, 12].Where(s => s.All(c => !char.IsSurrogate(c)));

    private static readonly Gen<ImmutableArray<TensorData>> _tensors =
        from names in _text.Where(s => s != "__metadata__").HashSet[0, 5]
        from tensors in Gen.SelectMany(
            Gen.OneOfConst([.. Safetensors.ElementSizes]), Gen.Long[0, 4].Array[0, 4],
            (dtype, shape) => Gen.Byte.Array[(int)shape.Aggregate((long)dtype.Value, (a, b) => a * b)]
                .Select(data => (DType: dtype.Key, Shape: shape.ToImmutableArray(), Data: data))).Array[names.Count]
        select names.Zip(tensors, (name, t) => new TensorData(name, t.DType, t.Shape, t.Data)).ToImmutableArray();

    private static readonly Gen<Dictionary<string, string>> _metadata = Gen.Dictionary(_text, _text)[0, 3];

    [Fact]
    public void Written_tensors_are_read_back() =>
        Gen.Select(_tensors, _metadata).Sample((tensors, metadata) =>
        {
            var bytes = Safetensors.ToBytes(tensors, metadata);
            Equal(tensors, metadata, Safetensors.Read(bytes));
            using var stream = new MemoryStream([1, 2, 3, .. bytes]) { Position = 3 };
            Equal(tensors, metadata, Safetensors.Read(stream));

            stream.Position = 3;
            List<TensorData> oneByOne = [];
            var read = Safetensors.ForEach(stream, oneByOne.Add);
            Equal(tensors, metadata, new([.. oneByOne], read));
        });

    [Fact]
    public void Equal_content_gives_equal_bytes_in_any_order_of_the_metadata() =>
        Gen.Select(_tensors, _metadata).Sample((tensors, metadata) =>
            Assert.Equal(
                Safetensors.ToBytes(tensors, metadata),
                Safetensors.ToBytes(tensors, metadata.Reverse().ToDictionary())));

    [Fact]
    public void A_file_in_memory_is_not_copied()
    {
        TensorData[] tensors = [new("w", "F32", [1 << 20], new byte[4 << 20]), new("v", "F32", [1 << 18], new byte[1 << 20])];
        Safetensors.ToBytes(tensors);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var bytes = Safetensors.ToBytes(tensors);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, bytes.Length, bytes.Length + 100_000);
    }

    [Fact]
    public void The_bytes_follow_the_format()
    {
        var header = """{"__metadata__":{"a":"é","b":"2"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"n":"""
            + """{"dtype":"I64","shape":[],"data_offsets":[8,16]}}""";
        byte[] data = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];
        var bytes = Safetensors.ToBytes(
            [new("w", "F32", [1, 2], data.AsMemory(0, 8)), new("n", "I64", [], data.AsMemory(8))],
            new Dictionary<string, string> { ["b"] = "2", ["a"] = "é" });
        Assert.Equal(File(header + " ", data), bytes);
        Assert.Equal(0, (bytes.Length - data.Length) % 8);
    }

    [Fact]
    public void A_truncated_file_is_refused() =>
        Gen.Select(_tensors, _metadata, Gen.Double[0, 1]).Sample((tensors, metadata, keep) =>
        {
            var bytes = Safetensors.ToBytes(tensors, metadata);
            var cut = bytes[..(int)(keep * (bytes.Length - 1))];
            Assert.Throws<SafetensorsException>(() => Safetensors.Read(cut));
            using var stream = new MemoryStream(cut);
            Assert.Throws<SafetensorsException>(() => Safetensors.Read(stream));
        });

    [Fact]
    public void A_damaged_file_is_read_or_refused() =>
        Gen.Select(_tensors, _metadata, Gen.Select(Gen.Double[0, 0.9999], Gen.Byte).Array[1, 4]).Sample((tensors, metadata, damage) =>
        {
            var bytes = Safetensors.ToBytes(tensors, metadata);
            var header = bytes.Length - tensors.Sum(t => t.Data.Length);
            foreach (var (at, value) in damage)
                bytes[(int)(at * header)] = value;
            try
            {
                Safetensors.Read(bytes);
            }
            catch (SafetensorsException)
            {
            }
        }, iter: 2000);

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} """, 5, "5 follow the header")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "cut short")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}""", 5, "'a': its data begins at byte 1 and should at 0")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "'b'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "span the 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "[4,0]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "whole numbers from 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "whole numbers from 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "4611686018427387904,4")]
    [InlineData("""{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}""", 4, "'F33' is unknown; known are BF16, BOOL")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}""", 4, "nothing else")]
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "'dtype'")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "'a'")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "text to text")]
    [InlineData("""{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "JSON")]
    [InlineData(""" {}""", 0, "does not begin with '{'")]
    [InlineData("", 0, "does not begin with '{'")]
    [InlineData("{} {}", 0, "JSON")]
    public void A_malformed_file_is_refused_with_a_reason(string header, int dataLength, string message) =>
        Assert.Contains(
            message, Assert.Throws<SafetensorsException>(() => Safetensors.Read(File(header, new byte[dataLength]))).Message);

    [Theory]
    [InlineData(100_000_001)]
    [InlineData(ulong.MaxValue)]
    public void A_header_above_the_limit_is_refused_before_it_is_allocated(ulong length)
    {
        var bytes = new byte[64];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        Assert.Contains("at most 100000000", Assert.Throws<SafetensorsException>(() => Safetensors.Read(bytes)).Message);
    }

    [Fact]
    public void An_impossible_tensor_is_not_written()
    {
        Refused("'x' is taken", new("x", "U8", [0], default), new("x", "U8", [0], default));
        Refused("'__metadata__' is taken", new TensorData("__metadata__", "U8", [0], default));
        Refused("'x': its dtype 'Q7' is unknown", new TensorData("x", "Q7", [0], default));
        Refused("'x': its shape needs 8 bytes; it has 4", new TensorData("x", "F32", [2], new byte[4]));
        Refused("'x': its shape [-1,-4] has a negative size", new TensorData("x", "U8", [-1, -4], new byte[4]));
        Assert.ThrowsAny<ArgumentException>(() => Safetensors.ToBytes([new("\ud800", "U8", [0], default)]));

        static void Refused(string message, params TensorData[] tensors) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => Safetensors.ToBytes(tensors)).Message);
    }

    private static byte[] File(string header, byte[] data)
    {
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, Encoding.UTF8.GetByteCount(header));
        return [.. length, .. Encoding.UTF8.GetBytes(header), .. data];
    }

    private static void Equal(ImmutableArray<TensorData> tensors, Dictionary<string, string> metadata, SafetensorsContent read)
    {
        Assert.Equal(tensors.Select(Parts), read.Tensors.Select(Parts));
        Assert.Equal(metadata.OrderBy(p => p.Key, StringComparer.Ordinal), read.Metadata);

        static (string, string, string, string) Parts(TensorData t) =>
            (t.Name, t.DType, string.Join(",", t.Shape), Convert.ToHexString(t.Data.Span));
    }
}
