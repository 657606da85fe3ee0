using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Oracle;

public sealed class HandWrittenNetworkTests
{
    /// <summary>A network of one to four layers and samples; all numbers are in -1..1.</summary>
    private sealed record Case(Activation Activation, double[][,] Weights, double[][] Biases, double[][] Samples, int[] Labels)
    {
        public HandWrittenNetwork Network { get; } = new(Activation, Weights, Biases);
    }

    private static readonly Gen<double> _numbers = Gen.Double[-1, 1];

    private static readonly Gen<Case> _cases =
        from activation in Gen.OneOfConst(Activation.Sigmoid, Activation.ReLU)
        from widths in Gen.Int[1, 5].Array[2, 5]
        from weights in Each(widths.Zip(widths.Skip(1)), layer => _numbers.Array2D[layer.Second, layer.First])
        from biases in Each(widths.Skip(1), width => _numbers.Array[width])
        from samples in _numbers.Array[widths[0]].Array[1, 4]
        from labels in Gen.Int[0, widths[^1] - 1].Array[samples.Length]
        select new Case(activation, weights, biases, samples, labels);

    [Fact]
    public void A_network_worked_out_by_hand()
    {
        // z¹ = (2, -1), a¹ = relu(z¹) = (2, 0), z² = (2, 0): p₁ = 1 / (1 + e²), and only the first unit is active.
        double[][,] weights = [new double[,] { { 1 }, { -1 } }, new double[,] { { 1, 0 }, { 0, 1 } }];
        var network = new HandWrittenNetwork(Activation.ReLU, weights, [[1, 0], [0, 0]]);
        var p = 1 / (1 + Math.Exp(2));
        var gradients = network.Backpropagate([[1]], [0]);
        Assert.Equal(-Math.Log(1 - p), gradients.Loss, 1e-15);
        Assert.Equal([-p, p], gradients.Biases[1], Near);
        Assert.Equal([-2 * p, 0, 2 * p, 0], gradients.Weights[1].Cast<double>(), Near);
        Assert.Equal([-p, 0], gradients.Biases[0], Near);
        Assert.Equal([-p, 0], gradients.Weights[0].Cast<double>(), Near);
    }

    [Fact]
    public void Gradients_are_the_slopes_of_the_loss() => _cases.Where(HasNoKinkNearby).Sample(c =>
    {
        double Loss() => c.Network.Loss(c.Samples, c.Labels);
        var gradients = c.Network.Backpropagate(c.Samples, c.Labels);
        Assert.Equal(Loss(), gradients.Loss);
        for (var l = 0; l < c.Network.Layers; l++)
        {
            for (var i = 0; i < c.Biases[l].Length; i++)
            {
                IsSlope(gradients.Biases[l][i], ref c.Biases[l][i]);
                for (var j = 0; j < c.Weights[l].GetLength(1); j++) IsSlope(gradients.Weights[l][i, j], ref c.Weights[l][i, j]);
            }
        }

        void IsSlope(double gradient, ref double parameter) =>
            Assert.Equal(CentralDifference.Of(Loss, ref parameter), gradient, CentralDifference.Tolerance(gradient));
    });

    [Fact]
    public void Gradients_of_a_batch_are_the_sum_over_its_samples() => _cases.Sample(c =>
    {
        var whole = Flat(c.Network.Backpropagate(c.Samples, c.Labels));
        var sum = c.Samples.Zip(c.Labels, (sample, label) => Flat(c.Network.Backpropagate([sample], [label])))
            .Aggregate((a, b) => [.. a.Zip(b, (x, y) => x + y)]);
        Assert.Equal(whole, sum, Near);
    });

    [Fact]
    public void Gradients_agree_with_automatic_differentiation() => _cases.Sample(c =>
        Assert.Equal(ByTorch(c), Flat(c.Network.Backpropagate(c.Samples, c.Labels)), Near), iter: 200, threads: 1);

    /// <summary>A shift of a parameter by h must not move a rectified unit across 0, where it has no slope.</summary>
    private static bool HasNoKinkNearby(Case c) =>
        c.Activation != Activation.ReLU
        || c.Samples.All(sample => c.Network.WeightedInputs(sample).SkipLast(1).All(z => z.All(value => Math.Abs(value) > 1e-2)));

    private static double[] ByTorch(Case c)
    {
        using var scope = NewDisposeScope();
        var weights = Array.ConvertAll(c.Weights, w => tensor(w, float64).requires_grad_());
        var biases = Array.ConvertAll(c.Biases, b => tensor(b, float64).requires_grad_());
        var a = stack(Array.ConvertAll(c.Samples, sample => tensor(sample, float64)));
        for (var l = 0; l < weights.Length; l++)
        {
            a = nn.functional.linear(a, weights[l], biases[l]);
            if (l < weights.Length - 1) a = c.Activation == Activation.Sigmoid ? a.sigmoid() : a.relu();
        }
        var loss = nn.functional.cross_entropy(a, tensor(Array.ConvertAll(c.Labels, label => (long)label)), reduction: nn.Reduction.Sum);
        loss.backward();
        return [loss.item<double>(), .. weights.Concat(biases).SelectMany(parameter => parameter.grad!.data<double>().ToArray())];
    }

    private static double[] Flat(Gradients gradients) =>
        [gradients.Loss, .. gradients.Weights.SelectMany(w => w.Cast<double>()), .. gradients.Biases.SelectMany(b => b)];

    private static bool Near(double expected, double actual) => Math.Abs(expected - actual) <= 1e-12 * (1 + Math.Abs(expected));

    /// <summary>One generated value for each item, in order.</summary>
    private static Gen<T[]> Each<TItem, T>(IEnumerable<TItem> items, Func<TItem, Gen<T>> generator) =>
        items.Select(generator).Aggregate(
            Gen.Const(Array.Empty<T>()), (all, next) => Gen.Select(all, next, (head, last) => (T[])[.. head, last]));
}
