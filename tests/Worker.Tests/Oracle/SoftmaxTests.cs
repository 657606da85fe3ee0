namespace Distributed.Worker.Tests.Oracle;

public sealed class SoftmaxTests
{
    private static readonly Gen<double[]> _logits = Gen.Double[-20, 20].Array[1, 12];

    private static readonly Gen<(double[], int)> _labelled = Gen.Select(_logits, Gen.Int[0, 11], (z, n) => (z, n % z.Length));

    [Fact]
    public void Probabilities_sum_to_one_and_lie_between_zero_and_one() => _logits.Sample(z =>
    {
        var p = Softmax.Probabilities(z);
        Assert.Equal(1, p.Sum(), 1e-14);
        Assert.All(p, value => Assert.InRange(value, 0, 1));
    });

    [Fact]
    public void A_shift_of_all_logits_changes_nothing() => Gen.Select(_logits, Gen.Double[-1000, 1000]).Sample((z, shift) =>
    {
        var shifted = Array.ConvertAll(z, value => value + shift);
        foreach (var (p, q) in Softmax.Probabilities(z).Zip(Softmax.Probabilities(shifted))) Assert.Equal(p, q, 1e-12);
        // The loss, too; rounding the shift costs about 10⁻¹³.
        Assert.Equal(Softmax.CrossEntropy(z, 0), Softmax.CrossEntropy(shifted, 0), 1e-11);
    });

    [Fact]
    public void Large_logits_do_not_overflow() =>
        Assert.Equal([0.5, 0.5, 0], Softmax.Probabilities([1e4, 1e4, -1e4]));

    [Fact]
    public void The_loss_is_minus_the_logarithm_of_the_label_s_probability() => _labelled.Sample((z, label) =>
        Assert.Equal(-Math.Log(Softmax.Probabilities(z)[label]), Softmax.CrossEntropy(z, label), 1e-12));

    [Fact]
    public void The_gradient_is_the_slope_of_the_loss() => _labelled.Sample((z, label) =>
    {
        var gradient = Softmax.CrossEntropyGradient(z, label);
        for (var i = 0; i < z.Length; i++)
        {
            var slope = CentralDifference.Of(() => Softmax.CrossEntropy(z, label), ref z[i]);
            Assert.Equal(slope, gradient[i], CentralDifference.Tolerance(gradient[i]));
        }
    });

    [Fact]
    public void The_gradient_is_p_minus_y() => _labelled.Sample((z, label) =>
    {
        var (p, gradient) = (Softmax.Probabilities(z), Softmax.CrossEntropyGradient(z, label));
        for (var i = 0; i < z.Length; i++) Assert.Equal(p[i] - (i == label ? 1 : 0), gradient[i]);
        Assert.Equal(0, gradient.Sum(), 1e-14);
    });
}
