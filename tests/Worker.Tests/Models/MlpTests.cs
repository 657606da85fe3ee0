using Distributed.Worker.Models;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

[Collection(TorchTests.Name)]
public sealed class MlpTests
{
    [Fact]
    public void Names_parameters_as_PyTorch_does()
    {
        using var mlp = new Mlp(6, [5, 4], classes: 3);

        Assert.Equal(
            ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"], mlp.named_parameters().Select(p => p.name));
    }

    [Theory]
    [InlineData("relu")]
    [InlineData("sigmoid")]
    public void Flattens_its_inputs_and_applies_its_layers_in_turn(string activation)
    {
        using var scope = NewDisposeScope();
        using var mlp = new Mlp(6, [5], classes: 3, activation);
        var samples = randn(4, 2, 3);
        var hidden = nn.functional.linear(samples.reshape(4, 6), mlp.get_parameter("fc1.weight")!, mlp.get_parameter("fc1.bias")!);
        var active = activation == "relu" ? hidden.relu() : hidden.sigmoid();

        var expected = nn.functional.linear(active, mlp.get_parameter("fc2.weight")!, mlp.get_parameter("fc2.bias")!);

        Assert.True(mlp.call(samples).Equals(expected));
    }

    [Fact]
    public void Without_hidden_layers_is_linear()
    {
        using var mlp = new Mlp(6, [], classes: 3);

        Assert.Equal([3, 6], mlp.get_parameter("fc1.weight")!.shape);
    }

    [Fact]
    public void Refuses_what_it_does_not_know()
    {
        var error = Assert.Throws<ArgumentException>(() => new Mlp(6, [5], classes: 3, activation: "tanh"));

        Assert.Contains("'tanh'; it is 'relu' or 'sigmoid'", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Mlp(6, [0], classes: 3));
    }
}
