using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Optimizers;

/// <summary>Each rule against TorchSharp's own, and against the formulas in PyTorch's documentation in float64.</summary>
[Collection(TorchTests.Name)]
public sealed class VectorOptimizerTests
{
    private const int Steps = 10;

    private static readonly Gen<double> _decays = Gen.OneOf(Gen.Const(0.0), Gen.Double[1e-4, 0.05]);
    private static readonly Gen<(double Momentum, bool Nesterov, double Decay)> _momenta =
        Gen.Select(Gen.OneOf(Gen.Const(0.0), Gen.Double[0.1, 0.99]), Gen.Bool, _decays)
            .Select((momentum, nesterov, decay) => (momentum, nesterov && momentum > 0, decay));
    private static readonly Gen<(double Beta1, double Beta2, double Epsilon, double Decay)> _moments =
        Gen.Select(Gen.Double[0, 0.99], Gen.Double[0.5, 0.9999], Gen.Double[1e-8, 1e-3], _decays);
    private static readonly Gen<(int Length, double Rate, long Seed)> _problems =
        Gen.Select(Gen.Int[1, 200], Gen.Double[1e-4, 0.1], Gen.Long[0, 1_000_000]);

    [Fact]
    public void Sgd_gives_the_bits_of_torch() => Gen.Select(_problems, _momenta).Sample(
        (problem, h) => AssertSameBits(
            problem,
            p => new Sgd(p, h.Momentum, h.Nesterov, h.Decay),
            p => optim.SGD([p], problem.Rate, h.Momentum, dampening: 0, h.Decay, h.Nesterov)),
        iter: 50, threads: 1);

    [Fact]
    public void Adam_gives_the_bits_of_torch() => Gen.Select(_problems, _moments).Sample(
        (problem, h) => AssertSameBits(
            problem,
            p => new Worker.Training.Adam(p, h.Beta1, h.Beta2, h.Epsilon, h.Decay),
            p => optim.Adam([p], problem.Rate, h.Beta1, h.Beta2, h.Epsilon, h.Decay)),
        iter: 50, threads: 1);

    [Fact]
    public void AdamW_gives_the_bits_of_torch() => Gen.Select(_problems, _moments).Sample(
        (problem, h) => AssertSameBits(
            problem,
            p => new Worker.Training.AdamW(p, h.Beta1, h.Beta2, h.Epsilon, h.Decay),
            p => optim.AdamW([p], problem.Rate, h.Beta1, h.Beta2, h.Epsilon, h.Decay)),
        iter: 50, threads: 1);

    [Fact]
    public void Sgd_follows_the_formulas_of_PyTorch() => Gen.Select(_problems, _momenta).Sample(
        (problem, h) => AssertFollows(problem, p => new Sgd(p, h.Momentum, h.Nesterov, h.Decay), (x, g, t, velocity, _) =>
        {
            g += h.Decay * x;
            var v = t == 1 ? g : (h.Momentum * velocity) + g;
            return (x - (problem.Rate * (h.Nesterov ? g + (h.Momentum * v) : h.Momentum > 0 ? v : g)), v, 0);
        }),
        iter: 50, threads: 1);

    [Fact]
    public void Adam_and_AdamW_follow_the_formulas_of_PyTorch() => Gen.Select(_problems, _moments, Gen.Bool).Sample(
        (problem, h, decoupled) => AssertFollows(
            problem,
            p => decoupled
                ? new Worker.Training.AdamW(p, h.Beta1, h.Beta2, h.Epsilon, h.Decay)
                : new Worker.Training.Adam(p, h.Beta1, h.Beta2, h.Epsilon, h.Decay),
            (x, g, t, m, v) =>
            {
                if (decoupled) x -= problem.Rate * h.Decay * x;
                else g += h.Decay * x;
                m = (h.Beta1 * m) + ((1 - h.Beta1) * g);
                v = (h.Beta2 * v) + ((1 - h.Beta2) * g * g);
                var (mean, square) = (m / (1 - Math.Pow(h.Beta1, t)), v / (1 - Math.Pow(h.Beta2, t)));
                return (x - (problem.Rate * mean / (Math.Sqrt(square) + h.Epsilon)), m, v);
            }),
        iter: 50, threads: 1);

    [Fact]
    public void A_saved_state_continues_with_the_same_bits() => Gen.Select(_problems, _moments).Sample(
        (problem, h) =>
        {
            using var scope = NewDisposeScope();
            var (start, gradients) = Draw(problem);
            var (straight, resumed) = (start.clone(), start.clone());
            using IGradientOptimizer whole = Make(straight), before = Make(resumed), after = Make(resumed);
            foreach (var gradient in gradients) whole.Step(straight, gradient.clone(), problem.Rate);
            foreach (var gradient in gradients[..4]) before.Step(resumed, gradient.clone(), problem.Rate);
            after.StepCount = before.StepCount;
            foreach (var (to, from) in after.State.Zip(before.State)) to.Slot.copy_(from.Slot);
            foreach (var gradient in gradients[4..]) after.Step(resumed, gradient.clone(), problem.Rate);

            Assert.Equal(Steps, after.StepCount);
            Assert.Equal(straight.bytes.ToArray(), resumed.bytes.ToArray());

            IGradientOptimizer Make(Tensor p) => new Worker.Training.Adam(p, h.Beta1, h.Beta2, h.Epsilon, h.Decay);
        },
        iter: 20, threads: 1);

    [Fact]
    public void A_step_leaves_no_live_tensor()
    {
        using var parameters = randn(100);
        using var gradient = randn(100);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        IGradientOptimizer[] rules =
            [new Sgd(parameters, 0.9, nesterov: true, 0.1), new Worker.Training.Adam(parameters), new Worker.Training.AdamW(parameters)];
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        foreach (var rule in rules)
        {
            for (var step = 0; step < 50; step++) rule.Step(parameters, gradient, 0.01);
        }

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        foreach (var rule in rules) rule.Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Names_its_state_as_torch_does()
    {
        using var parameters = randn(3);
        using Sgd plain = new(parameters), momentum = new(parameters, 0.9);
        using Worker.Training.Adam adam = new(parameters);

        Assert.Empty(plain.State);
        Assert.Equal(["momentum_buffer"], momentum.State.Select(s => s.Name));
        Assert.Equal(["exp_avg", "exp_avg_sq"], adam.State.Select(s => s.Name));
    }

    [Fact]
    public void Rejects_values_out_of_range()
    {
        using var parameters = randn(3);

        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(parameters, momentum: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(parameters, weightDecay: double.NaN));
        Assert.Throws<ArgumentException>(() => new Sgd(parameters, nesterov: true));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Worker.Training.Adam(parameters, beta1: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Worker.Training.AdamW(parameters, epsilon: -1));
    }

    private static (Tensor Start, Tensor[] Gradients) Draw((int Length, double Rate, long Seed) problem)
    {
        manual_seed(problem.Seed);
        // Away from zero, where Adam's step could turn a rounding error into a change of sign.
        return (randn(problem.Length), [.. Enumerable.Range(0, Steps).Select(_ => randn(problem.Length)).Select(g => g + g.sign())]);
    }

    private static void AssertSameBits(
        (int Length, double Rate, long Seed) problem, Func<Tensor, IGradientOptimizer> make, Func<Parameter, optim.Optimizer> makeTorchs)
    {
        using var scope = NewDisposeScope();
        var (ours, gradients) = Draw(problem);
        var theirs = new Parameter(ours.clone());
        using var rule = make(ours);
        using var torchs = makeTorchs(theirs);
        foreach (var gradient in gradients)
        {
            theirs.grad = gradient.clone();
            torchs.step();
            rule.Step(ours, gradient, problem.Rate);
            Assert.Equal(theirs.detach().bytes.ToArray(), ours.bytes.ToArray());
        }
    }

    private static void AssertFollows(
        (int Length, double Rate, long Seed) problem,
        Func<Tensor, IGradientOptimizer> make,
        Func<double, double, int, double, double, (double X, double First, double Second)> formula)
    {
        using var scope = NewDisposeScope();
        var (parameters, gradients) = Draw(problem);
        var expected = Array.ConvertAll(parameters.data<float>().ToArray(), x => (X: (double)x, First: 0.0, Second: 0.0));
        using var rule = make(parameters);
        for (var t = 1; t <= Steps; t++)
        {
            var gradient = gradients[t - 1].data<float>().ToArray();
            for (var i = 0; i < expected.Length; i++)
                expected[i] = formula(expected[i].X, gradient[i], t, expected[i].First, expected[i].Second);
            rule.Step(parameters, gradients[t - 1], problem.Rate);
        }

        var actual = parameters.data<float>().ToArray();
        for (var i = 0; i < actual.Length; i++) Assert.Equal(expected[i].X, actual[i], 1e-5 * Math.Max(1, Math.Abs(expected[i].X)));
    }
}
