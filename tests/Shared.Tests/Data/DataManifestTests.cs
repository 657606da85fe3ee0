using System.Buffers;
using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs.Data;
using MessagePack;

namespace Distributed.Shared.Tests.Data;

/// <summary>Names of files become paths: any manifest leads only downwards, or is refused.</summary>
public sealed class DataManifestTests
{
    private static readonly Gen<string> _segment =
        Gen.String[Gen.Char["abcXYZ019._- äß漢"], 1, 12].Where(name => name is not "." and not "..");

    private static readonly Gen<DataManifest> _any =
        from names in Gen.Select(_segment, _segment.Array[0, 3]).Array[1, 20]
        from bytes in Gen.Long[0, 1L << 40].Array[20]
        select DataManifest.Of(names.Index().Select(name =>
            // With a number in front, no name is another one's folder.
            new DataFile($"{name.Index}/{string.Join('/', [name.Item.Item1, .. name.Item.Item2])}", bytes[name.Index], SumOf(name.Index))));

    [Fact]
    public void A_manifest_survives_a_round_trip_and_its_bytes_identify_it() => _any.Sample(manifest =>
    {
        var bytes = manifest.ToBytes();
        var back = DataManifest.Parse(bytes);
        Assert.Equal(manifest.Files, back.Files);
        Assert.Equal(manifest.Bytes, back.Bytes);
        Assert.Equal(bytes, back.ToBytes());
        Assert.True(DataManifest.IsKey(DataManifest.KeyOf(bytes)));
        Assert.Equal(bytes, DataManifest.Of(manifest.Files.Reverse()).ToBytes());
    });

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../a")]
    [InlineData("a/../../b")]
    [InlineData("a/./b")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("a/")]
    [InlineData("a\\..\\b")]
    [InlineData("C:a")]
    [InlineData("a\0")]
    [InlineData("a\nb")]
    public void A_name_that_leads_elsewhere_is_refused(string name)
    {
        Assert.Throws<DataException>(() => DataManifest.Of([new(name, 1, SumOf(1))]));
        Assert.Contains("the file '",
            Assert.Throws<DataException>(() => DataManifest.Parse(Raw((name, 1)))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_that_contradict_each_other_are_refused()
    {
        Assert.Contains("a file and a folder", Refused(Raw(("a", 1), ("a-", 1), ("a/b", 1))), StringComparison.Ordinal);
        Assert.Contains("twice", Refused(Raw(("a", 1), ("a", 1))), StringComparison.Ordinal);
        Assert.Contains("out of order", Refused(Raw(("b", 1), ("a", 1))), StringComparison.Ordinal);
        Assert.Contains("characters", Refused(Raw((string.Concat(Enumerable.Repeat("a/", 600)) + "b", 1))), StringComparison.Ordinal);
        Assert.Contains("255 bytes", Refused(Raw((new('ä', 200), 1))), StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_sizes_are_refused()
    {
        Assert.Contains("-1 bytes", Refused(Raw(("a", -1))), StringComparison.Ordinal);
        Assert.Contains("bytes", Refused(Raw(("a", long.MaxValue), ("b", 1))), StringComparison.Ordinal);
        Assert.Contains("0 files", Refused(Raw()), StringComparison.Ordinal);
        Refused([0x91, 0xA1, (byte)'a']);
        Refused([.. Raw(("a", 1)), 0]);
        Refused([]);
    }

    [Fact]
    public void Mutated_bytes_are_read_or_refused_with_bounded_memory() =>
        Gen.Select(_any, Gen.Select(Gen.Int[0, 4000], Gen.OneOf(Gen.Byte, Gen.Byte[0xC0, 0xDF])).Array[1, 6], Gen.Double.Unit)
            .Sample((manifest, changes, kept) =>
            {
                var bytes = manifest.ToBytes();
                foreach (var (at, value) in changes) bytes[at % bytes.Length] = value;
                if (kept < 0.2) bytes = bytes[..(int)(bytes.Length * kept * 5)];
                var before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    foreach (var file in DataManifest.Parse(bytes).Files)
                        Assert.StartsWith("/root/", Path.GetFullPath(Path.Combine("/root", file.Name)), StringComparison.Ordinal);
                }
                catch (DataException refused)
                {
                    Assert.NotEmpty(refused.Message);
                }
                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 256_000 + (20 * bytes.Length));
            }, iter: 5_000);

    private static string Refused(byte[] bytes) => Assert.Throws<DataException>(() => DataManifest.Parse(bytes)).Message;

    private static byte[] Raw(params (string Name, long Bytes)[] files)
    {
        var bytes = new ArrayBufferWriter<byte>();
        var writer = new MessagePackWriter(bytes);
        writer.WriteArrayHeader(3 * files.Length);
        foreach (var (name, length) in files)
        {
            writer.Write(name);
            writer.Write(length);
            writer.Write(new byte[32]);
        }
        writer.Flush();
        return bytes.WrittenSpan.ToArray();
    }

    private static string SumOf(int number) => Convert.ToHexStringLower(SHA256.HashData([(byte)number]));
}
