using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

[Collection(TorchTests.Name)]
public sealed class ResNetTests
{
    private static readonly Gen<(int Channels, int Height, int Width)> _sizes = Gen.Select(Gen.Int[1, 3], Gen.Int[4, 20], Gen.Int[4, 20]);

    [Theory]
    [InlineData("batch")]
    [InlineData("group")]
    [InlineData("none")]
    public void Outputs_a_row_of_logits_for_every_image(string norm) =>
        Gen.Select(_sizes, Gen.Select(Gen.Int[1, 2], Gen.Int[1, 9]).Array[1, 3], Gen.Int[1, 5]).Sample((sizes, stages, classes) =>
        {
            using var scope = NewDisposeScope();
            var (channels, height, width) = sizes;
            var (blocks, widths) = (stages.Select(stage => stage.Item1), stages.Select(stage => stage.Item2));
            using var resnet = new ResNet(new() { Blocks = [.. blocks], Channels = [.. widths], Norm = norm }, [channels, 8, 8], classes);

            Assert.Equal([5, classes], resnet.call(randn(5, channels, height, width)).shape);
        }, iter: 20, threads: 1);

    [Fact]
    public void Names_parameters_and_buffers_as_torchvision_does()
    {
        using var resnet = new ResNet(new() { Blocks = [1, 2], Channels = [4, 8] }, [1, 8, 8], 10);

        string[] norms =
        [
            "bn1", "layer1.0.bn1", "layer1.0.bn2", "layer2.0.bn1", "layer2.0.bn2", "layer2.0.downsample.1", "layer2.1.bn1", "layer2.1.bn2",
        ];
        Assert.Equal(
            [
                "conv1.weight", "bn1.weight", "bn1.bias",
                "layer1.0.conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias",
                "layer1.0.conv2.weight", "layer1.0.bn2.weight", "layer1.0.bn2.bias",
                "layer2.0.conv1.weight", "layer2.0.bn1.weight", "layer2.0.bn1.bias",
                "layer2.0.conv2.weight", "layer2.0.bn2.weight", "layer2.0.bn2.bias",
                "layer2.0.downsample.0.weight", "layer2.0.downsample.1.weight", "layer2.0.downsample.1.bias",
                "layer2.1.conv1.weight", "layer2.1.bn1.weight", "layer2.1.bn1.bias",
                "layer2.1.conv2.weight", "layer2.1.bn2.weight", "layer2.1.bn2.bias",
                "fc.weight", "fc.bias",
            ],
            resnet.named_parameters().Select(p => p.name));
        Assert.Equal(
            norms.SelectMany(norm => new[] { $"{norm}.running_mean", $"{norm}.running_var", $"{norm}.num_batches_tracked" }),
            resnet.named_buffers().Select(b => b.name));
    }

    [Fact]
    public void Without_a_norm_convolutions_have_a_bias()
    {
        using var resnet = new ResNet(new() { Blocks = [1], Channels = [4], Norm = "none" }, [1, 8, 8], 10);

        Assert.Empty(resnet.named_buffers());
        Assert.Equal(
            [
                "conv1.weight", "conv1.bias", "layer1.0.conv1.weight", "layer1.0.conv1.bias",
                "layer1.0.conv2.weight", "layer1.0.conv2.bias", "fc.weight", "fc.bias",
            ],
            resnet.named_parameters().Select(p => p.name));
    }

    /// <summary>If the second convolution of a block outputs 0, its input passes through.</summary>
    [Fact]
    public void A_block_adds_to_its_input()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var shallow = new ResNet(new() { Blocks = [1], Channels = [4], Norm = "none" }, [1, 8, 8], 3);
        using var deep = new ResNet(new() { Blocks = [3], Channels = [4], Norm = "none" }, [1, 8, 8], 3);
        foreach (var (name, parameter) in shallow.named_parameters()) deep.get_parameter(name)!.copy_(parameter);
        foreach (var (name, parameter) in deep.named_parameters())
        {
            if (name.StartsWith("layer1.1.conv2", StringComparison.Ordinal) || name.StartsWith("layer1.2.conv2", StringComparison.Ordinal))
                parameter.zero_();
        }
        var images = randn(4, 1, 6, 6);

        Assert.Equal(shallow.call(images).data<float>().ToArray(), deep.call(images).data<float>().ToArray());
    }

    [Fact]
    public void Rejects_values_out_of_range()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ResNet(new(), [0, 8, 8], 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ResNet(new(), [1, 8, 8], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ResNet(new() { Blocks = [1, 0, 1] }, [1, 8, 8], 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ResNet(new() { Channels = [4, 0, 4] }, [1, 8, 8], 10));
        Assert.Throws<ArgumentException>(() => new ResNet(new() { Blocks = [1, 1] }, [1, 8, 8], 10));
        var error = Assert.Throws<ArgumentException>(() => new ResNet(new() { Norm = "layer" }, [1, 8, 8], 10));
        Assert.Contains("allowed: batch, group, none", error.Message, StringComparison.Ordinal);
    }
}
