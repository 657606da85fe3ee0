using System.Buffers.Binary;
using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Jobs.State;
using Distributed.Tests.Fuzzing;

namespace Distributed.Shared.Tests.State;

/// <summary>Any bytes give tensors within the file, or a reason.</summary>
public sealed class SafetensorsFuzzTests
{
    private static readonly byte[][] _files =
    [
        Safetensors.ToBytes([new("weight", "F32", [2, 3], new byte[24]), new("steps", "I64", [], new byte[8])],
            new Dictionary<string, string> { ["format"] = "pt" }),
        Safetensors.ToBytes([new("empty", "F16", [0, 7], default), new("b\"ä", "U8", [5], new byte[5])]),
        Safetensors.ToBytes([]),
    ];

    private static readonly string[][] _lists = [["0/housing.csv"], ["0/pets/cat/1.png", "0/pets/dog/1.png"], ["0/x.npy", "1/y.npy"]];

    [Fact]
    public void Any_file_is_read_or_refused()
    {
        var fuzzer = Fuzzer.Run(120_000, _files, bytes =>
        {
            // Half of them get a valid length, so that the header is parsed.
            if (bytes.Length > 16 && bytes[^1] % 2 == 0) BinaryPrimitives.WriteUInt64LittleEndian(bytes,
                Math.Min((ulong)bytes.Length - 8, bytes[0]));
            try
            {
                var content = Safetensors.Read(bytes);
                Assert.InRange(content.Tensors.Sum(tensor => (long)tensor.Data.Length), 0, bytes.Length);
                using var stream = new MemoryStream(bytes);
                Assert.Equal(content.Tensors.Length, Safetensors.Read(stream).Tensors.Length);
                return null;
            }
            catch (SafetensorsException refused)
            {
                return refused.Message[..Math.Min(refused.Message.Length, 40)];
            }
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 8, 10_000);
    }

    [Fact]
    public void Any_data_manifest_is_read_or_refused()
    {
        var valid = _lists.Select(names => DataManifest.Of(names.Select((name, i) => new DataFile(name, i, new('a', 64)))).ToBytes())
            .ToList();
        var fuzzer = Fuzzer.Run(80_000, valid, bytes =>
        {
            try
            {
                foreach (var file in DataManifest.Parse(bytes).Files)
                    Assert.StartsWith("/root/", Path.GetFullPath(Path.Combine("/root", file.Name)), StringComparison.Ordinal);
                return null;
            }
            catch (DataException refused)
            {
                return refused.Message;
            }
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 10, 10_000);
    }
}
