using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

[Collection(TorchTests.Name)]
public sealed class JobModelsTests
{
    private static readonly Gen<ModelSpec> _models = Gen.OneOfConst<ModelSpec>(
        TestJobs.Noisy, new CnnSpec { Channels = [2, 3], Hidden = 5 }, new MlpSpec { Hidden = [7, 6] },
            new MlpSpec { Hidden = [3], Activation = "sigmoid" },
        new ResNetSpec { Blocks = [1, 2], Channels = [2, 3] }, new ResNetSpec { Blocks = [1], Channels = [4], Norm = "group" });

    [Fact]
    public void The_initial_bits_depend_on_the_seed_only() =>
        Gen.Select(_models, Gen.Long[0, long.MaxValue]).Sample((model, seed) =>
    {
        using var elsewhere = rand(17);
        Assert.Equal(Digest(model, seed), Digest(model, seed));
    }, iter: 40, threads: 1);

    [Fact]
    public void Other_seeds_give_other_bits() =>
        Gen.Select(_models, Gen.Long[0, 1_000_000], Gen.Long[0, 1_000_000]).Where((_, a, b) => a != b).Sample(
        (model, a, b) => Assert.NotEqual(Digest(model, a), Digest(model, b)), iter: 40, threads: 1);

    [Fact]
    public void The_models_are_those_of_the_job()
    {
        Assert.Equal(
            ["conv1.weight [4,1,3,3]", "conv1.bias [4]", "norm1.weight [4]", "norm1.bias [4]", "norm1.running_mean [4]",
                "norm1.running_var [4]",
                "norm1.num_batches_tracked []", "fc1.weight [8,64]", "fc1.bias [8]", "fc2.weight [10,8]", "fc2.bias [10]"],
            Tensors(TestJobs.Noisy));
        Assert.Equal(
            ["fc1.weight [7,64]", "fc1.bias [7]", "fc2.weight [6,7]", "fc2.bias [6]", "fc3.weight [10,6]", "fc3.bias [10]"],
            Tensors(new MlpSpec { Hidden = [7, 6] }));
        Assert.Equal(
            ["conv1.weight [4,1,3,3]", "bn1.weight [4]", "bn1.bias [4]", "layer1.0.conv1.weight [4,4,3,3]", "layer1.0.bn1.weight [4]",
                "layer1.0.bn1.bias [4]",
                "layer1.0.conv2.weight [4,4,3,3]", "layer1.0.bn2.weight [4]", "layer1.0.bn2.bias [4]", "fc.weight [10,4]", "fc.bias [10]"],
            Tensors(new ResNetSpec { Blocks = [1], Channels = [4], Norm = "group" }));

        // The names and the order of PyTorch's state_dict.
        static IEnumerable<string> Tensors(ModelSpec model)
        {
            using var replica = new Replica(TestJobs.Of(model), TestJobs.Data, CPU);
            return [.. Safetensors.Read(replica.Serialize()).Tensors.Where(t => t.Name.StartsWith("model.", StringComparison.Ordinal))
                .Select(t => $"{t.Name["model.".Length..]} [{string.Join(",", t.Shape)}]")];
        }
    }

    [Fact]
    public void The_optimizers_are_those_of_the_job()
    {
        Assert.Equal([], Slots(new SgdSpec()));
        Assert.Equal(["momentum_buffer"], Slots(new SgdSpec { Momentum = 0.9 }));
        Assert.Equal(["exp_avg", "exp_avg_sq"], Slots(new AdamSpec()));
        Assert.Equal(["exp_avg", "exp_avg_sq"], Slots(new AdamWSpec()));
        Assert.Equal(["best_loss"], Slots(new RandomSearchSpec()));
        Assert.Equal(["best_loss"], Slots(new LocalSearchSpec()));

        static IEnumerable<string> Slots(OptimizerSpec spec)
        {
            using var parameters = zeros(3);
            using var optimizer = JobModels.CreateOptimizer(Job.Default with { Optimizer = spec }, parameters);
            return [.. optimizer.State.Select(slot => slot.Name)];
        }
    }

    private static string Digest(ModelSpec model, long seed)
    {
        using var replica = new Replica(TestJobs.Of(model) with { Seed = seed }, TestJobs.Data, CPU);
        return $"{replica.Digest()}";
    }
}
