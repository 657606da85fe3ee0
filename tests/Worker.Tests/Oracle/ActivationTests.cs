namespace Distributed.Worker.Tests.Oracle;

public sealed class ActivationTests
{
    [Fact]
    public void The_derivative_of_sigmoid_is_its_slope() => Gen.Double[-20, 20].Sample(z => HasSlope(Activation.Sigmoid, z));

    [Fact]
    public void The_derivative_of_sigmoid_is_sigma_times_one_minus_sigma() => Gen.Double[-30, 30].Sample(z =>
    {
        var sigma = Activation.Sigmoid.Value(z);
        Assert.Equal(sigma * (1 - sigma), Activation.Sigmoid.Derivative(z), 1e-15);
    });

    [Fact]
    public void Sigmoid_is_symmetric_and_between_zero_and_one() => Gen.Double[-30, 30].Sample(z =>
    {
        Assert.InRange(Activation.Sigmoid.Value(z), 0, 1);
        Assert.Equal(1, Activation.Sigmoid.Value(z) + Activation.Sigmoid.Value(-z), 1e-15);
    });

    [Fact]
    public void The_derivative_of_relu_is_its_slope_away_from_zero() =>
        Gen.OneOf(Gen.Double[-20, -2 * CentralDifference.Step], Gen.Double[2 * CentralDifference.Step, 20])
            .Sample(z => HasSlope(Activation.ReLU, z));

    [Fact]
    public void The_derivative_of_relu_at_zero_is_zero_by_convention() => Assert.Equal(0, Activation.ReLU.Derivative(0));

    private static void HasSlope(Activation activation, double z)
    {
        var derivative = activation.Derivative(z);
        Assert.Equal(CentralDifference.Of(activation.Value, z), derivative, CentralDifference.Tolerance(derivative));
    }
}
