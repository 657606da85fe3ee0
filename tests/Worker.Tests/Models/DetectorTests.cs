using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

[Collection(TorchTests.Name)]
public sealed class DetectorTests
{
    [Theory]
    [InlineData(1, 32, new[] { 4, 8, 16 }, 8)]
    [InlineData(3, 16, new[] { 4, 8 }, 8)]
    [InlineData(1, 7, new[] { 4 }, 7)]
    public void Outputs_a_row_of_numbers_for_every_cell(int channels, int side, int[] stages, int cells)
    {
        using var scope = NewDisposeScope();
        using var model = new Detector(new() { Channels = [.. stages], BatchNorm = true }, [channels, side, side], 10);

        Assert.Equal([2, 15, cells, cells], model.call(randn(2, channels, side, side)).shape);
    }

    [Fact]
    public void Initially_predicts_objects_almost_nowhere()
    {
        using var scope = NewDisposeScope();
        using var model = new Detector(new() { Channels = [4, 8], BatchNorm = true }, [1, 32, 32], 10);

        Assert.InRange(model.call(rand(4, 1, 32, 32)).narrow(1, 0, 1).sigmoid().mean().item<float>(), 0.001f, 0.2f);
    }

    [Fact]
    public void Names_parameters_as_PyTorch_does()
    {
        using var model = new Detector(new() { Channels = [4, 8], BatchNorm = false }, [1, 8, 8], 2);

        Assert.Equal(
            [
                "stage1.conv1.weight", "stage1.conv1.bias", "stage1.conv2.weight", "stage1.conv2.bias",
                "stage2.conv1.weight", "stage2.conv1.bias", "stage2.conv2.weight", "stage2.conv2.bias",
                "head.weight", "head.bias",
            ],
            model.named_parameters().Select(p => p.name));
    }

    [Fact]
    public void Rejects_values_out_of_range()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Detector(new() { Channels = [4], BatchNorm = false }, [1, 8, 8], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Detector(new() { Channels = [], BatchNorm = false }, [1, 8, 8], 2));
        var error = Assert.Throws<ArgumentException>(() => new Detector(new() { Channels = [4, 4, 4], BatchNorm = false }, [1, 30, 30], 2));
        Assert.Contains("cannot be halved 2 times", error.Message, StringComparison.Ordinal);
    }
}
