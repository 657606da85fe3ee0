using System.Security.Cryptography;
using Distributed.Coordinator.Runs;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class TrainedModelTests
{
    private static readonly Gen<TensorData> _tensor =
        from prefix in Gen.OneOfConst("model.", "optimizer.", "model", "")
        from name in Gen.String[Gen.Char['a', 'z'], 1, 8]
        from data in Gen.Byte.Array[0, 5]
        select new TensorData(prefix + name, "F32", [data.Length], data.SelectMany(b => (byte[])[b, 0, 0, 63]).ToArray());

    private static readonly Gen<TensorData[]> _state = _tensor.Array[0, 12].Select(all => all.DistinctBy(t => t.Name).ToArray());

    [Fact]
    public void The_model_of_a_state_keeps_its_own_names() => _state.Sample(state =>
    {
        var model = TrainedModel.Of(Safetensors.ToBytes(state));
        var expected = state.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal)).ToList();
        using var file = new MemoryStream();
        model.Write(file);
        var written = Safetensors.Read(file.ToArray());
        Assert.Empty(written.Metadata);
        Assert.Equal(expected.Select(t => t.Name[6..]), written.Tensors.Select(t => t.Name));
        Assert.All(expected.Zip(written.Tensors), pair =>
        {
            Assert.Equal((pair.First.DType, pair.First.Shape[0]), (pair.Second.DType, pair.Second.Shape[0]));
            Assert.True(pair.First.Data.Span.SequenceEqual(pair.Second.Data.Span));
        });
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData([.. expected.SelectMany(t => t.Data.ToArray())])), model.ParametersSha256);
    });

    [Fact]
    public void Equal_models_give_equal_bytes_whatever_the_optimizer_state() => Gen.Select(_state, _state).Sample((state, other) =>
    {
        var model = state.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal));
        var rest = other.Where(t => !t.Name.StartsWith("model.", StringComparison.Ordinal));
        Assert.Equal(Written(state), Written([.. model, .. rest]));
    });

    [Fact]
    public void A_changed_bit_changes_the_hash() => Gen.Select(_state, Gen.Int[0, 1000], Gen.Int[0, 7]).Sample((state, at, bit) =>
    {
        var before = TrainedModel.Of(Safetensors.ToBytes(state)).ParametersSha256;
        var bytes = state.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal)).Sum(t => t.Data.Length);
        if (bytes == 0) return;
        at %= bytes;
        foreach (var tensor in state.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal)))
        {
            if (at >= 0 && at < tensor.Data.Length)
            {
                var changed = tensor.Data.ToArray();
                changed[at] ^= (byte)(1 << bit);
                var other = Safetensors.ToBytes([.. state.Select(t => t.Name == tensor.Name ? t with { Data = changed } : t)]);
                Assert.NotEqual(before, TrainedModel.Of(other).ParametersSha256);
            }
            at -= tensor.Data.Length;
        }
    });

    [Fact]
    public void Malformed_states_are_refused() => Assert.Throws<SafetensorsException>(() => TrainedModel.Of(new byte[8]));

    private static byte[] Written(TensorData[] state)
    {
        using var file = new MemoryStream();
        TrainedModel.Of(Safetensors.ToBytes(state)).Write(file);
        return file.ToArray();
    }
}
