using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;
using Distributed.Jobs.State;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.EndToEnd.Tests;

[Collection(Alone.Name)]
public sealed class GeneratedImagesTests
{
    private const int OfClass = 50;

    [Theory]
    [InlineData("digits.yaml", "digits-gan.yaml", 0.7)]
    [InlineData("fashion-mnist.yaml", "fashion-mnist-gan.yaml", 0.6)]
    [Trait("Category", "Slow")]
    public async Task A_classifier_of_real_images_recognizes_generated_ones(string real, string generated, double least)
    {
        Effort.SkipUnlessThorough();
        using var classifier = await TrainedAsync(real);
        using var networks = (Dcgan)await TrainedAsync(generated);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var seed = manual_seed(1);
        var wanted = arange(10 * OfClass, ScalarType.Int64) % 10;
        var made = Generation.Generate(
            networks, randn([10 * OfClass, networks.Latent]), nn.functional.one_hot(wanted, 10).to(ScalarType.Float32));
        var share = ((nn.Module<Tensor, Tensor>)classifier).call(made).argmax(1).eq(wanted).to(ScalarType.Float64).mean().item<double>();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{100 * share:0.0} % of {10 * OfClass} images that {generated} made are recognized");
        Assert.InRange(share, least, 1);
    }

    private static async Task<nn.Module> TrainedAsync(string file)
    {
        using var run = TrainingRun.Start(BuiltFiles.Job(file), "--workers", "2");
        await run.Coordinator.EndsWithAsync(0, TimeSpan.FromMinutes(20));
        var job = JobFile.Parse(await File.ReadAllTextAsync(run["job.yaml"]), run["job.yaml"]);
        return JobModels.LoadModel(job, DataSets.FormatOf(job.Data.Name), Safetensors.Read(run.Model).Tensors, CPU);
    }
}
