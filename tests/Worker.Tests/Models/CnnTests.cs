using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

[Collection(TorchTests.Name)]
public sealed class CnnTests
{
    [Theory]
    [InlineData(1, 8, 8)]
    [InlineData(1, 28, 28)]
    [InlineData(3, 32, 20)]
    public void Outputs_a_row_of_logits_for_every_image(int channels, int height, int width)
    {
        using var scope = NewDisposeScope();
        using var cnn = new Cnn(new() { BatchNorm = true, Dropout = 0.5 }, [channels, height, width], 10);

        Assert.Equal([5, 10], cnn.call(randn(5, channels, height, width)).shape);
    }

    [Fact]
    public void Names_parameters_and_buffers_as_PyTorch_does()
    {
        using var cnn = new Cnn(new() { Channels = [4, 8], BatchNorm = true }, [1, 8, 8], 10);

        Assert.Equal(
            [
                "conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "conv2.weight", "conv2.bias", "norm2.weight",
                "norm2.bias", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
            ],
            cnn.named_parameters().Select(p => p.name));
        Assert.Equal(
            [
                "norm1.running_mean", "norm1.running_var", "norm1.num_batches_tracked", "norm2.running_mean", "norm2.running_var",
                "norm2.num_batches_tracked",
            ],
            cnn.named_buffers().Select(b => b.name));
        var counter = cnn.get_buffer("norm1.num_batches_tracked")!;
        Assert.Equal((ScalarType.Int64, 0L), (counter.dtype, counter.dim()));
    }

    [Fact]
    public void Has_no_norm_by_default()
    {
        using var cnn = new Cnn(new(), [1, 8, 8], 10);

        Assert.Empty(cnn.named_buffers());
        Assert.Equal([128, 64 * 2 * 2], cnn.get_parameter("fc1.weight")!.shape);
    }

    [Fact]
    public void Drops_activations_in_training_only()
    {
        using var scope = NewDisposeScope();
        using var cnn = new Cnn(new() { Dropout = 0.5 }, [1, 8, 8], 10);
        var images = randn(4, 1, 8, 8);

        Assert.False(cnn.call(images).Equals(cnn.call(images)));
        cnn.eval();
        Assert.True(cnn.call(images).Equals(cnn.call(images)));
    }

    [Fact]
    public void Rejects_an_image_too_small_for_its_pools()
    {
        var error = Assert.Throws<ArgumentException>(() => new Cnn(new() { Channels = [4, 4, 4] }, [1, 8, 6], 10));

        Assert.Contains("8x6", error.Message, StringComparison.Ordinal);
        Assert.Contains("at most 2 channels", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rejects_values_out_of_range()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Cnn(new(), [0, 8, 8], 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Cnn(new(), [1, 8, 8], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Cnn(new() { Channels = [0] }, [1, 8, 8], 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Cnn(new() { Dropout = 1 }, [1, 8, 8], 10));
    }
}
