using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Commands;
using Distributed.Worker.Data;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Predictions;

[Collection(TorchTests.Name)]
public sealed class PredictorTests
{
    private static readonly Gen<ModelSpec> _models = Gen.OneOfConst<ModelSpec>(
        TestJobs.Noisy, new CnnSpec { Channels = [2, 3], Hidden = 5 }, new MlpSpec { Hidden = [7, 6], Dropout = 0.5 },
            new MlpSpec { Hidden = [3], Activation = "sigmoid" },
        new ResNetSpec { Blocks = [1, 1], Channels = [2, 3] });

    [Fact]
    public void It_gives_the_bits_of_the_trained_module_in_evaluation_for_any_seed() =>
        Gen.Select(_models, Gen.Int[0, 300], Gen.Long[1, 1000]).Sample((spec, sample, seed) =>
    {
        var job = TestJobs.Of(spec);
        using var trained = JobModels.CreateModel(job with { Seed = seed }, Digits.Format);
        Disturb(trained);
        using var predictor = new Predictor(job, Digits.Format, TensorsOf(trained), CPU);
        var logits = predictor.Logits(((ImageSet)TestJobs.Data.Test).Pixels.Slice(64 * sample, 64).ToArray());

        var images = new float[64];
        TestJobs.Data.Test.CopyTo([sample], images, new float[1]);
        trained.eval();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // The last bit of a product depends on the alignment of its factors: an array is aligned to 8 bytes, a clone as libtorch needs.
        Assert.Equal(trained.Call(tensor(images, [1, 1, 8, 8]).clone()).data<float>().ToArray(), logits);
    }, iter: 30, threads: 1);

    [Theory]
    [InlineData("missing", "it has no fc2.weight, which should be F32[10,8]")]
    [InlineData("other shape", "its fc2.weight is F32[8,10] and should be F32[10,8]")]
    [InlineData("other type", "its fc2.weight is I32[10,8] and should be F32[10,8]")]
    [InlineData("more", "it has fc3.weight, which the model does not have")]
    public void Tensors_of_another_model_are_rejected_and_change_nothing(string fault, string message)
    {
        using var module = JobModels.CreateModel(TestJobs.Of(TestJobs.Noisy), Digits.Format);
        using var other = JobModels.CreateModel(TestJobs.Of(TestJobs.Noisy) with { Seed = 5 }, Digits.Format);
        var before = TensorsOf(module);
        var wrong = TensorsOf(other);
        var at = wrong.FindIndex(tensor => tensor.Name == "fc2.weight");
        if (fault == "missing") wrong.RemoveAt(at);
        else if (fault == "other shape") wrong[at] = wrong[at] with { Shape = [8, 10] };
        else if (fault == "other type") wrong[at] = wrong[at] with { DType = "I32" };
        else wrong.Add(wrong[at] with { Name = "fc3.weight" });
        Assert.Equal(message, Assert.Throws<InvalidDataException>(() => ModelFile.Load(module, wrong)).Message);
        Assert.Equal(before.Select(Bytes), TensorsOf(module).Select(Bytes));
    }

    private static string Bytes(TensorData tensor) => Convert.ToHexString(tensor.Data.Span);

    // Statistics after training: other than 0 and 1.
    private static void Disturb(nn.Module model)
    {
        using var generator = manual_seed(3);
        foreach (var (_, buffer) in model.named_buffers())
            if (buffer.dtype == ScalarType.Float32) buffer.copy_(rand_like(buffer).add(0.5));
    }

    private static List<TensorData> TensorsOf(nn.Module model) =>
        [.. model.state_dict().Select(entry => new TensorData(
            entry.Key, entry.Value.dtype == ScalarType.Int64 ? "I64" : "F32", [.. entry.Value.shape], entry.Value.bytes.ToArray()))];
}
