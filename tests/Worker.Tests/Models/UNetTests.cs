using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

[Collection(TorchTests.Name)]
public sealed class UNetTests
{
    [Theory]
    [InlineData(1, 32, 32, new[] { 4, 8, 16 })]
    [InlineData(3, 16, 24, new[] { 4, 6 })]
    [InlineData(1, 5, 7, new[] { 4 })]
    public void Outputs_logits_for_every_pixel(int channels, int height, int width, int[] levels)
    {
        using var scope = NewDisposeScope();
        using var model = new UNet(new() { Channels = [.. levels], BatchNorm = true }, [channels, height, width], 11);

        Assert.Equal([2, 11, height, width], model.call(randn(2, channels, height, width)).shape);
    }

    [Fact]
    public void Names_parameters_as_PyTorch_does()
    {
        using var model = new UNet(new() { Channels = [4, 8], BatchNorm = false }, [1, 8, 8], 2);

        Assert.Equal(
            [
                "down1.conv1.weight", "down1.conv1.bias", "down1.conv2.weight", "down1.conv2.bias",
                "down2.conv1.weight", "down2.conv1.bias", "down2.conv2.weight", "down2.conv2.bias",
                "grow1.weight", "grow1.bias", "up1.conv1.weight", "up1.conv1.bias", "up1.conv2.weight", "up1.conv2.bias",
                "output.weight", "output.bias",
            ],
            model.named_parameters().Select(p => p.name));
        Assert.Empty(model.named_buffers());
    }

    [Fact]
    public void With_norms_convolutions_have_no_bias()
    {
        using var model = new UNet(new() { Channels = [4], BatchNorm = true }, [1, 8, 8], 2);

        Assert.Equal(
            [
                "down1.conv1.weight", "down1.norm1.weight", "down1.norm1.bias",
                "down1.conv2.weight", "down1.norm2.weight", "down1.norm2.bias", "output.weight", "output.bias",
            ],
            model.named_parameters().Select(p => p.name));
    }

    [Fact]
    public void The_output_for_a_pixel_depends_on_its_surroundings_through_all_levels()
    {
        using var scope = NewDisposeScope();
        // Seeded, so that no layer happens to output 0 everywhere.
        using var seed = manual_seed(1);
        using var model = new UNet(new() { Channels = [4, 4, 4], BatchNorm = false }, [1, 32, 32], 2);
        using var image = randn(1, 1, 32, 32, requires_grad: true);
        model.call(image)[0, 0, 16, 16].backward();
        var reached = image.grad!.ne(0).nonzero();
        // The top level alone reaches 4 pixels; the bottom level reaches more.
        Assert.True(16 - reached.select(1, 2).min().item<long>() > 8);
    }

    [Fact]
    public void Rejects_an_image_that_cannot_be_halved_that_often()
    {
        var error = Assert.Throws<ArgumentException>(() => new UNet(new() { Channels = [4, 4, 4, 4], BatchNorm = false }, [1, 12, 8], 2));

        Assert.Contains("12x8 cannot be halved 3 times", error.Message, StringComparison.Ordinal);
        Assert.Contains("multiples of 8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rejects_values_out_of_range()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new UNet(new() { Channels = [4], BatchNorm = false }, [0, 8, 8], 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new UNet(new() { Channels = [4], BatchNorm = false }, [1, 8, 8], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new UNet(new() { Channels = [], BatchNorm = false }, [1, 8, 8], 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new UNet(new() { Channels = [4, 0], BatchNorm = false }, [1, 8, 8], 2));
    }
}
