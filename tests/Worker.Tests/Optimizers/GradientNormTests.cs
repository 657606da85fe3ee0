using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Optimizers;

[Collection(TorchTests.Name)]
public sealed class GradientNormTests
{
    private static readonly Gen<float[]> _gradients = Gen.Float[-1e3f, 1e3f].Array[1, 100];

    [Fact]
    public void Returns_the_norm_and_without_a_limit_leaves_the_gradient() => _gradients.Sample(
        values =>
        {
            using var scope = NewDisposeScope();
            var gradient = tensor(values);

            var norm = GradientNorm.Clip(gradient, maxNorm: null);

            Assert.Equal(Math.Sqrt(values.Sum(v => (double)v * v)), norm, 1e-12 * norm);
            Assert.Equal(values, gradient.data<float>().ToArray());
        },
        iter: 100, threads: 1);

    [Fact]
    public void Clips_as_torch_does() => Gen.Select(_gradients, Gen.Double[1e-3, 2e3]).Sample(
        (values, limit) =>
        {
            using var scope = NewDisposeScope();
            var theirs = new TorchSharp.Modules.Parameter(zeros(values.Length)) { grad = tensor(values) };
            var ours = tensor(values);

            var norm = GradientNorm.Clip(ours, limit);

            // Torch squares in float32, where a norm below 1e-19 underflows.
            Assert.Equal(nn.utils.clip_grad_norm_([theirs], limit), norm, Math.Max(1e-5 * norm, 1e-15));
            Assert.True(ours.allclose(theirs.grad!, rtol: 1e-5, atol: 1e-30));
            if (norm <= limit) Assert.Equal(values, ours.data<float>().ToArray());
        },
        iter: 100, threads: 1);

    [Fact]
    public void Is_the_same_bits_at_any_thread_count()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var gradient = randn(1_000_003);
        var threads = get_num_threads();
        var norms = Enumerable.Range(1, 3).Select(count =>
        {
            set_num_threads(count);
            return GradientNorm.Clip(gradient, maxNorm: null);
        }).ToArray();
        set_num_threads(threads);

        Assert.Single(norms.Distinct());
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_norm_that_is_not_finite_spreads_to_the_gradient(float value)
    {
        using var gradient = tensor([1f, value]);

        Assert.False(double.IsFinite(GradientNorm.Clip(gradient, 1)));
        Assert.Contains(gradient.data<float>().ToArray(), float.IsNaN);
    }

    [Fact]
    public void Leaves_no_live_tensor()
    {
        using var gradient = randn(100);
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        GradientNorm.Clip(gradient, 1e-3);

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void Rejects_a_limit_that_is_not_above_zero(double limit)
    {
        using var gradient = ones(1);

        Assert.Throws<ArgumentOutOfRangeException>(() => GradientNorm.Clip(gradient, limit));
    }
}
