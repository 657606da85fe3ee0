using Distributed.Worker.Tasks;
using Distributed.Worker.Tests.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Models;

[Collection(TorchTests.Name)]
public sealed class MlpTests
{
    [Fact]
    public void Names_parameters_as_PyTorch_does()
    {
        using var mlp = new Mlp(new() { Hidden = [5, 4] }, [6], 3);

        Assert.Equal(
            ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"], mlp.named_parameters().Select(p => p.name));
    }

    public static TheoryData<string, Func<double, double>> Activations { get; } = new()
    {
        { "relu", x => Math.Max(x, 0) },
        { "leaky-relu", x => x > 0 ? x : 0.01 * x },
        { "elu", x => x > 0 ? x : Math.Exp(x) - 1 },
        { "gelu", x => x * NormalDistribution(x) },
        { "silu", x => x / (1 + Math.Exp(-x)) },
        { "tanh", Math.Tanh },
        { "sigmoid", x => 1 / (1 + Math.Exp(-x)) },
    };

    /// <summary>0.5 (1 + erf(x / √2)) by its series, which converges quickly for the outputs of an initial layer.</summary>
    private static double NormalDistribution(double x)
    {
        var (sum, term) = (0.0, x);
        for (var k = 0; k < 40; k++) (sum, term) = (sum + (term / ((2 * k) + 1)), -term * x * x / (2 * (k + 1)));
        return 0.5 + (sum / Math.Sqrt(2 * Math.PI));
    }

    [Theory]
    [MemberData(nameof(Activations), DisableDiscoveryEnumeration = true)]
    public void Flattens_its_inputs_and_applies_its_layers_in_turn(string activation, Func<double, double> function)
    {
        using var scope = NewDisposeScope();
        using var mlp = new Mlp(new() { Hidden = [5], Activation = activation }, [6], 3);
        var samples = randn(4, 2, 3);
        var hidden = nn.functional.linear(samples.reshape(4, 6), mlp.get_parameter("fc1.weight")!, mlp.get_parameter("fc1.bias")!);
        var active = tensor(hidden.data<float>().Select(x => (float)function(x)).ToArray(), [4, 5]);

        var expected = nn.functional.linear(active, mlp.get_parameter("fc2.weight")!, mlp.get_parameter("fc2.bias")!);

        Assert.True(mlp.call(samples).allclose(expected, rtol: 1e-5, atol: 1e-6));
    }

    [Fact]
    public void Without_hidden_layers_is_linear()
    {
        using var mlp = new Mlp(new() { Hidden = [] }, [6], 3);

        Assert.Equal([3, 6], mlp.get_parameter("fc1.weight")!.shape);
    }

    [Fact]
    public void Rejects_an_unknown_activation_and_an_empty_layer()
    {
        var error = Assert.Throws<ArgumentException>(() => new Mlp(new() { Hidden = [5], Activation = "step" }, [6], 3));

        Assert.Contains("'step'; allowed: relu, leaky-relu, elu, gelu, silu, tanh, sigmoid", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Mlp(new() { Hidden = [0] }, [6], 3));
    }
}
