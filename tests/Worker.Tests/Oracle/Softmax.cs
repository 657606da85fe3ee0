namespace Distributed.Worker.Tests.Oracle;

/// <summary>
/// Softmax and cross-entropy of one sample.
/// I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning" (2016), sections 4.1 and 6.2.2.3.
/// </summary>
public static class Softmax
{
    /// <summary>
    /// p_i = e^z_i / Σ_j e^z_j. Since p(z) = p(z + c), the largest z is subtracted first, so that no exponential
    /// overflows.
    /// </summary>
    public static double[] Probabilities(double[] z)
    {
        var largest = z.Max();
        var exponentials = Array.ConvertAll(z, value => Math.Exp(value - largest));
        var sum = exponentials.Sum();
        return Array.ConvertAll(exponentials, value => value / sum);
    }

    /// <summary>C = -ln p_label = ln Σ_j e^z_j - z_label.</summary>
    public static double CrossEntropy(double[] z, int label)
    {
        var largest = z.Max();
        return Math.Log(z.Sum(value => Math.Exp(value - largest))) + largest - z[label];
    }

    /// <summary>∂C/∂z = p - y, where y is 1 at the label and 0 elsewhere.</summary>
    public static double[] CrossEntropyGradient(double[] z, int label)
    {
        var gradient = Probabilities(z);
        gradient[label] -= 1;
        return gradient;
    }
}
