using BenchmarkDotNet.Attributes;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Bench.Micro;

/// <summary>The update of 5,824,522 parameters, with one thread.</summary>
public class OptimizerBenchmarks
{
    private const int Parameters = 5_824_522;
    private const double LearningRate = 0.01;

    private Tensor _parameters = null!;
    private Tensor _gradient = null!;
    private IGradientOptimizer _sgd = null!;
    private IGradientOptimizer _momentum = null!;
    private IGradientOptimizer _adam = null!;
    private IGradientOptimizer _adamW = null!;

    /// <summary>Allocates parameters, gradient and states.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        set_num_threads(1);
        _parameters = ones(Parameters);
        _gradient = ones(Parameters);
        _sgd = new Sgd(_parameters);
        _momentum = new Sgd(_parameters, momentum: 0.9);
        _adam = new Adam(_parameters);
        _adamW = new AdamW(_parameters);
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (var optimizer in new[] { _sgd, _momentum, _adam, _adamW }) optimizer.Dispose();
        _parameters.Dispose();
        _gradient.Dispose();
    }

    /// <summary>Plain SGD.</summary>
    [Benchmark]
    public void Sgd() => Step(_sgd);

    /// <summary>SGD with momentum.</summary>
    [Benchmark]
    public void SgdWithMomentum() => Step(_momentum);

    /// <summary>Adam.</summary>
    [Benchmark]
    public void Adam() => Step(_adam);

    /// <summary>AdamW.</summary>
    [Benchmark]
    public void AdamW() => Step(_adamW);

    /// <summary>The gradient norm, without clipping.</summary>
    [Benchmark]
    public double Norm() => GradientNorm.Clip(_gradient, maxNorm: null);

    private void Step(IGradientOptimizer optimizer)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        optimizer.Step(_parameters, _gradient, LearningRate);
    }
}
