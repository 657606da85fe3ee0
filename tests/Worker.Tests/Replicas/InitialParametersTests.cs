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
    public void A_whole_file_is_taken_over_bit_for_bit(string dtype)
    {
        var tensors = ModelOf(_other).Select(t => t.DType == "F32" && dtype == "F64" ? t with { DType = dtype, Data = ToDoubles(t.Data) } : t).ToList();
        Assert.NotEqual(_other.Digest(), _replica.Digest());
        var said = InitialParameters.Import(_replica, Safetensors.ToBytes(tensors), isStrict: true);
        Assert.Equal(_other.Digest(), _replica.Digest());
        Assert.Equal($"Initial parameters: all {tensors.Count} tensors are in the file", said);
    }

    [Fact]
    public void What_is_missing_unknown_or_of_another_shape_is_listed_and_the_rest_taken_if_that_is_wanted()
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

        Assert.StartsWith($"Initial parameters: {tensors.Count - 2} of {tensors.Count} tensors are in the file", InitialParameters.Import(_replica, file, isStrict: false), StringComparison.Ordinal);
        var (now, seeded, theirs) = (ModelOf(_replica), ModelOf(new(TestJobs.Of(TestJobs.Noisy), TestJobs.Data, CPU)), tensors);
        for (var i = 0; i < now.Count; i++) Assert.Equal((i < 2 ? seeded : theirs)[i].Data.ToArray(), now[i].Data.ToArray());
    }

    [Fact]
    public void A_file_of_which_nothing_fits_or_of_strange_numbers_is_refused()
    {
        Assert.Throws<InvalidDataException>(() => InitialParameters.Import(_replica, Safetensors.ToBytes([new("stranger", "F32", [1], new byte[4])]), isStrict: false));
        Assert.Throws<SafetensorsException>(() => InitialParameters.Import(_replica, new byte[20], isStrict: false));
        var first = ModelOf(_other)[0];
        var strange = Safetensors.ToBytes([first with { DType = "U32" }]);
        Assert.Contains("U32; allowed: F32, F16, BF16 or F64", Assert.Throws<InvalidDataException>(() => InitialParameters.Import(_replica, strange, isStrict: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Halves_are_widened()
    {
        var tensors = ModelOf(_other);
        List<TensorData> halves = [.. tensors.Select((t, i) => t.DType != "F32" ? t : i % 2 == 0 ? t with { DType = "F16", Data = To(t.Data, x => BitConverter.HalfToUInt16Bits((Half)x)) }
            : t with { DType = "BF16", Data = To(t.Data, x => (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16)) })];
        InitialParameters.Import(_replica, Safetensors.ToBytes(halves), isStrict: true);
        foreach (var (mine, theirs) in ModelOf(_replica).Zip(tensors).Where(pair => pair.First.DType == "F32"))
            foreach (var (a, b) in MemoryMarshal.Cast<byte, float>(mine.Data.Span).ToArray().Zip(MemoryMarshal.Cast<byte, float>(theirs.Data.Span).ToArray()))
                Assert.InRange(a, b - (Math.Abs(b) / 64) - 1e-4f, b + (Math.Abs(b) / 64) + 1e-4f);
    }

    private static List<TensorData> ModelOf(Replica replica) => [.. Safetensors.Read(replica.Serialize()).Tensors
        .Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal)).Select(t => t with { Name = t.Name["model.".Length..] })];

    private static byte[] ToDoubles(ReadOnlyMemory<byte> floats)
    {
        double[] wide = [.. MemoryMarshal.Cast<byte, float>(floats.Span).ToArray().Select(x => (double)x)];
        return MemoryMarshal.AsBytes(wide.AsSpan()).ToArray();
    }

    private static byte[] To(ReadOnlyMemory<byte> floats, Func<float, ushort> narrow)
    {
        ushort[] halves = [.. MemoryMarshal.Cast<byte, float>(floats.Span).ToArray().Select(narrow)];
        return MemoryMarshal.AsBytes(halves.AsSpan()).ToArray();
    }
}
