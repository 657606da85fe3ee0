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
    private FlatContribution? _staging;

    /// <summary>Applies the averaged contribution of a training round.</summary>
    /// <param name="round">The round.</param>
    /// <param name="average">Of the map's layout. The update rule overwrites it, unless somebody else holds it too.</param>
    public AppliedStep Step(Round round, VectorBuffer average)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (!model.IsOnCpu || average.Storage is not TorchMemory memory) return Step(round, Staged(average));
        if (!average.IsShared) return Step(round, memory.Contribution);
        var copy = average.Copy();
        try
        {
            return Step(round, ((TorchMemory)copy.Storage).Contribution);
        }
        finally
        {
            copy.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _staging?.Dispose();

    private AppliedStep Step(Round round, FlatContribution average)
    {
        var norm = GradientNorm.Clip(average.Gradient, job.ClipNorm);
        var rate = LearningRate.At(job.Schedule, job.Optimizer.LearningRate, round.Step, rounds.Steps, rounds.StepsPerEpoch);
        optimizer.Step(model.Parameters, average.Gradient, rate);
        model.ApplyBufferChange(average.BufferChange);
        return new(rate, norm);
    }

    private FlatContribution Staged(VectorBuffer average)
    {
        _staging ??= new(model, empty([average.Layout.Floats], float32, model.Parameters.device));
        HostMemory.Import(average.Floats, _staging.Floats);
        return _staging;
    }
}
