namespace Distributed.Worker.Tests.Oracle;

/// <summary>The loss and its gradients, each summed over the samples.</summary>
/// <param name="Loss">Σ C over the samples.</param>
/// <param name="Weights">∂Loss/∂W, shaped like the weights.</param>
/// <param name="Biases">∂Loss/∂b, shaped like the biases.</param>
public sealed record Gradients(double Loss, double[][,] Weights, double[][] Biases);

/// <summary>
/// A fully connected network in double precision, the reference for tests of the real one.
/// M. Nielsen, "Neural Networks and Deep Learning" (2015), chapter 2, equations (BP1) to (BP4); with layers 1..L and
/// a^0 the sample:
/// <code>
/// forward    z^l = W^l a^(l-1) + b^l
///            a^l = σ(z^l)  for l below L;  p = softmax(z^L)
///            C   = -ln p_label
/// backward   δ^L = ∂C/∂z^L = p - y                        (y is 1 at the label, 0 elsewhere)
///            δ^l = ((W^(l+1))ᵀ δ^(l+1)) ⊙ σ'(z^l)         (⊙ multiplies element by element)
///            ∂C/∂W^l = δ^l (a^(l-1))ᵀ
///            ∂C/∂b^l = δ^l
/// </code>
/// </summary>
/// <param name="activation">σ of every layer but the last.</param>
/// <param name="weights">W^1..W^L, each outputs × inputs. Not copied: a later change changes the network.</param>
/// <param name="biases">b^1..b^L, each as long as its layer has outputs. Not copied.</param>
public sealed class HandWrittenNetwork(Activation activation, double[][,] weights, double[][] biases)
{
    /// <summary>Number of layers L.</summary>
    public int Layers => weights.Length;

    /// <summary>z^1..z^L of one sample; the last are the logits.</summary>
    public double[][] WeightedInputs(double[] sample)
    {
        var z = new double[Layers][];
        for (var l = 0; l < Layers; l++) z[l] = Sum(Product(weights[l], Input(l, sample, z)), biases[l]);
        return z;
    }

    /// <summary>Σ C over the samples.</summary>
    public double Loss(double[][] samples, int[] labels) =>
        samples.Zip(labels, (sample, label) => Softmax.CrossEntropy(WeightedInputs(sample)[^1], label)).Sum();

    /// <summary>Σ C over the samples and its gradients, by backpropagation.</summary>
    public Gradients Backpropagate(double[][] samples, int[] labels)
    {
        var weightGradients = Array.ConvertAll(weights, w => new double[w.GetLength(0), w.GetLength(1)]);
        var biasGradients = Array.ConvertAll(biases, b => new double[b.Length]);
        foreach (var (sample, label) in samples.Zip(labels))
        {
            var z = WeightedInputs(sample);
            var delta = Softmax.CrossEntropyGradient(z[^1], label);
            for (var l = Layers - 1; l >= 0; l--)
            {
                AddOuterProduct(weightGradients[l], delta, Input(l, sample, z));
                biasGradients[l] = Sum(biasGradients[l], delta);
                if (l == 0) continue;
                delta = Hadamard(TransposedProduct(weights[l], delta), Array.ConvertAll(z[l - 1], v => activation.Derivative(v)));
            }
        }
        return new Gradients(Loss(samples, labels), weightGradients, biasGradients);
    }

    /// <summary>a^(l-1), the input of layer l, where l counts from 0.</summary>
    private double[] Input(int l, double[] sample, double[][] z) =>
        l == 0 ? sample : Array.ConvertAll(z[l - 1], v => activation.Value(v));

    private static double[] Product(double[,] w, double[] a)
    {
        var result = new double[w.GetLength(0)];
        for (var i = 0; i < result.Length; i++)
            for (var j = 0; j < a.Length; j++)
                result[i] += w[i, j] * a[j];
        return result;
    }

    private static double[] TransposedProduct(double[,] w, double[] delta)
    {
        var result = new double[w.GetLength(1)];
        for (var j = 0; j < result.Length; j++)
            for (var i = 0; i < delta.Length; i++)
                result[j] += w[i, j] * delta[i];
        return result;
    }

    private static void AddOuterProduct(double[,] target, double[] delta, double[] a)
    {
        for (var i = 0; i < delta.Length; i++)
            for (var j = 0; j < a.Length; j++)
                target[i, j] += delta[i] * a[j];
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[] Hadamard(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x * y)];
}
