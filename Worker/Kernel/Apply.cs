using Distributed.Shared.Jobs;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Worker.Optimizers;
using Distributed.Worker.Replicas;
using static TorchSharp.torch;

namespace Distributed.Worker.Kernel;

/// <summary>What a step did, the same on every replica.</summary>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="GradientNorm">L2 norm of the averaged gradient before clipping.</param>
public readonly record struct AppliedStep(double LearningRate, double GradientNorm);

/// <summary>The fourth move: the same average through the same update rule gives the same bits on every replica.</summary>
public sealed class Apply(FlatModel model, IVectorOptimizer optimizer, Job job, Rounds rounds) : IDisposable
{
    // The update rule overwrites it, and the average may have to be sent once more.
    private readonly Tensor _gradient = empty_like(model.Parameters).DetachFromDisposeScope();
    private readonly Tensor _bufferChange = empty_like(model.Buffers).DetachFromDisposeScope();

    /// <summary>Applies the averaged contribution of a training round.</summary>
    /// <param name="round">The round.</param>
    /// <param name="average">Of the map's layout; left as it is.</param>
    public AppliedStep Step(Round round, VectorBuffer average)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parameters = (int)_gradient.numel();
        HostMemory.Import(average.Floats[..parameters], _gradient);
        HostMemory.Import(average.Floats[parameters..], _bufferChange);

        var norm = GradientNorm.Clip(_gradient, job.ClipNorm);
        var rate = LearningRate.At(job.Schedule, job.Optimizer.LearningRate, round.Step, rounds.Steps, rounds.StepsPerEpoch);
        optimizer.Step(model.Parameters, _gradient, rate);
        model.ApplyBufferChange(_bufferChange);
        return new(rate, norm);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _gradient.Dispose();
        _bufferChange.Dispose();
    }
}
