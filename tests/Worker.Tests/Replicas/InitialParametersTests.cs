using System.Runtime.InteropServices;
using Distributed.Jobs.State;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Replicas;

[Collection(TorchTests.Name)]
public sealed class InitialParametersTests : IDisposable
{
    private readonly Replica _replica = new(TestJobs.Of(TestJobs.Noisy), TestJobs.Data, CPU);
    private readonly Replica _other = new(TestJobs.Of(TestJobs.Noisy) with { Seed = 99 }, TestJobs.Data, CPU);

    public void Dispose()
    {
        _replica.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData("F32")]
    [InlineData("F64")]
    public void A_complete_file_is_imported_bit_for_bit(string dtype)
    {
        var tensors = ModelOf(_other)
            .Select(t => t.DType == "F32" && dtype == "F64" ? t with { DType = dtype, Data = ToDoubles(t.Data) } : t)
            .ToList();
        Assert.NotEqual(_other.Digest(), _replica.Digest());
        var said = InitialParameters.Import(_replica, Safetensors.ToBytes(tensors), isStrict: true);
        Assert.Equal(_other.Digest(), _replica.Digest());
        Assert.Equal($"Initial parameters: all {tensors.Count} tensors are in the file", said);
    }

    [Fact]
    public void Tensors_that_do_not_match_are_listed_and_a_lenient_import_takes_the_others()
    {
        var tensors = ModelOf(_other);
        var (missing, other) = (tensors[0], tensors[1]);
        List<TensorData> given = [.. tensors.Skip(1), new("stranger", "F32", [1], new byte[4])];
        given[0] = new(other.Name, "F32", [1, 1], new byte[4]);
        var file = Safetensors.ToBytes(given);
        var before = _replica.Digest();
        var refused = Assert.Throws<InvalidDataException>(() => InitialParameters.Import(_replica, file, isStrict: true));
        foreach (var name in (string[])[missing.Name, $"{other.Name} ", "(the file has [1,1])", "stranger", "--init-strict false"])
            Assert.Contains(name, refused.Message, StringComparison.Ordinal);
        Assert.Equal(before, _replica.Digest());

        Assert.StartsWith(
            $"Initial parameters: {tensors.Count - 2} of {tensors.Count} tensors are in the file",
            InitialParameters.Import(_replica, file, isStrict: false),
            StringComparison.Ordinal);
        var (now, seeded, theirs) = (ModelOf(_replica), ModelOf(new(TestJobs.Of(TestJobs.Noisy), TestJobs.Data, CPU)), tensors);
        for (var i = 0; i < now.Count; i++) Assert.Equal((i < 2 ? seeded : theirs)[i].Data.ToArray(), now[i].Data.ToArray());
    }

    [Fact]
    public void A_file_without_a_matching_tensor_or_with_an_unknown_type_is_refused()
    {
        var stranger = Safetensors.ToBytes([new("stranger", "F32", [1], new byte[4])]);
        Assert.Throws<InvalidDataException>(() => InitialParameters.Import(_replica, stranger, isStrict: false));
        Assert.Throws<SafetensorsException>(() => InitialParameters.Import(_replica, new byte[20], isStrict: false));
        var first = ModelOf(_other)[0];
        var strange = Safetensors.ToBytes([first with { DType = "U32" }]);
        var refused = Assert.Throws<InvalidDataException>(() => InitialParameters.Import(_replica, strange, isStrict: false));
        Assert.Contains("U32; allowed: F32, F16, BF16 or F64", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_precision_numbers_are_widened()
    {
        var tensors = ModelOf(_other);
        List<TensorData> halves = [.. tensors.Select((t, i) => t.DType != "F32" ? t : Narrowed(t, isFloat16: i % 2 == 0))];
        InitialParameters.Import(_replica, Safetensors.ToBytes(halves), isStrict: true);
        foreach (var (mine, theirs) in ModelOf(_replica).Zip(tensors).Where(pair => pair.First.DType == "F32"))
            foreach (var (a, b) in FloatsOf(mine.Data).Zip(FloatsOf(theirs.Data)))
                Assert.InRange(a, b - (Math.Abs(b) / 64) - 1e-4f, b + (Math.Abs(b) / 64) + 1e-4f);
    }

    private static List<TensorData> ModelOf(Replica replica) => [.. Safetensors.Read(replica.Serialize()).Tensors
        .Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal))
        .Select(t => t with { Name = t.Name["model.".Length..] })];

    private static float[] FloatsOf(ReadOnlyMemory<byte> data) => MemoryMarshal.Cast<byte, float>(data.Span).ToArray();

    private static TensorData Narrowed(TensorData tensor, bool isFloat16) => isFloat16
        ? tensor with { DType = "F16", Data = To(tensor.Data, x => BitConverter.HalfToUInt16Bits((Half)x)) }
        : tensor with { DType = "BF16", Data = To(tensor.Data, x => (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16)) };

    private static byte[] ToDoubles(ReadOnlyMemory<byte> floats)
    {
        double[] wide = [.. FloatsOf(floats).Select(x => (double)x)];
        return MemoryMarshal.AsBytes(wide.AsSpan()).ToArray();
    }

    private static byte[] To(ReadOnlyMemory<byte> floats, Func<float, ushort> narrow)
    {
        ushort[] halves = [.. FloatsOf(floats).Select(narrow)];
        return MemoryMarshal.AsBytes(halves.AsSpan()).ToArray();
    }
}
