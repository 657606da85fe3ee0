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
    private readonly Tensor _bufferChange = zeros_like(model.Buffers);

    /// <summary>Applies the averaged contribution of a training round.</summary>
    public AppliedStep Step(Round round, VectorBuffer average)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var parameters = (int)model.Gradient.numel();
        HostMemory.Import(average.Floats[..parameters], model.Gradient);
        HostMemory.Import(average.Floats[parameters..], _bufferChange);

        var norm = GradientNorm.Clip(model.Gradient, job.ClipNorm);
        var rate = LearningRate.At(job.Schedule, job.Optimizer.LearningRate, round.Step, rounds.Steps, rounds.StepsPerEpoch);
        optimizer.Step(model.Parameters, model.Gradient, rate);
        model.ApplyBufferChange(_bufferChange);
        return new(rate, norm);
    }

    /// <inheritdoc/>
    public void Dispose() => _bufferChange.Dispose();
}
