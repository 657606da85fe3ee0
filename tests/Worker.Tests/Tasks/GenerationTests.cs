using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Tasks;

[Collection(TorchTests.Name)]
public sealed class GenerationTests
{
    private static readonly DataSet _digits = Digits.Load();

    // Each network's gradient against that of its own part of the loss, computed separately.
    [Fact]
    public void Each_network_learns_from_its_own_part_of_the_loss_alone()
    {
        using var scope = NewDisposeScope();
        var task = new Generation(_digits);
        using var model = Create();
        using var batch = task.Fetch(RoundKind.Train, 0, [.. Enumerable.Range(0, 20)], CPU);
        using (manual_seed(7)) task.LossSum(model, batch, new double[task.Metrics]).backward();
        var (generator, discriminator) = (Gradients(model.Generator), Gradients(model.Discriminator));

        foreach (var parameter in model.parameters()) parameter.grad?.zero_();
        var classes = nn.functional.one_hot(batch.Targets.to(ScalarType.Int64), 10).to(ScalarType.Float32);
        using var noise = manual_seed(7);
        var made = Generation.Generate(model, randn([20, model.Latent]), classes);
        var told = nn.functional.softplus(-model.Discriminator.call(batch.Inputs, classes)).sum()
            + nn.functional.softplus(model.Discriminator.call(made.detach(), classes)).sum();
        told.backward();
        AssertNear(Gradients(model.Discriminator), discriminator);
        Assert.All(Gradients(model.Generator), value => Assert.Equal(0, value));
        nn.functional.softplus(-model.Discriminator.call(made, classes)).sum().backward();
        AssertNear(Gradients(model.Generator), generator);
    }

    [Fact]
    public void An_evaluation_judges_the_same_images_each_time_and_counts_no_more_than_there_are()
    {
        using var scope = NewDisposeScope();
        var task = new Generation(_digits);
        using var model = Create();
        model.eval();
        using var batch = task.Fetch(RoundKind.Evaluate, 0, [.. Enumerable.Range(0, 30)], CPU);
        var (first, second) = (new double[1], new double[1]);
        using var noGrad = no_grad();
        Assert.Equal(task.LossSum(model, batch, first).item<float>(), task.LossSum(model, batch, second).item<float>());
        Assert.Equal(first, second);
        Assert.InRange(first[0], 0, 30);
    }

    [Fact]
    public void Real_digits_are_mostly_nearest_to_the_mean_of_their_class()
    {
        using var scope = NewDisposeScope();
        using var batch = SampleBatch.Of(_digits.Test, [.. Enumerable.Range(0, _digits.Test.Count)], CPU);
        using var classes = NearestMean.Of(_digits.Train).ClassesOf(batch.Inputs);
        Assert.InRange(classes.eq(batch.Targets).sum().item<long>() / (double)_digits.Test.Count, 0.85, 1);
    }

    [Fact]
    public void The_picture_has_a_column_per_class()
    {
        using var model = Create();
        model.eval();
        using var picture = new Generation(_digits).Draw(model, CPU);
        Assert.InRange(picture.Width, 10 * 56, 1000);
        Assert.InRange(picture.Height, 8 * 56, 1000);
    }

    [Fact]
    public void Images_that_cannot_be_halved_twice_are_rejected()
    {
        var error = Assert.Throws<ArgumentException>(() => new Dcgan(new(), [1, 30, 28], 10));
        Assert.Contains("The images are 30x28; a dcgan needs sides that are multiples of 4", error.Message, StringComparison.Ordinal);
    }

    private static Dcgan Create()
    {
        using var seed = manual_seed(1);
        return new(new() { Latent = 4, Channels = 4 }, [1, 8, 8], 10);
    }

    private static float[] Gradients(nn.Module module) =>
        [.. module.parameters().SelectMany(parameter => parameter.grad is { } gradient ? gradient.flatten().data<float>().ToArray() : [])];

    private static void AssertNear(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.Contains(expected, value => value != 0);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-3f);
    }
}
