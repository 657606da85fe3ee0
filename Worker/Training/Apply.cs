using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>What a step did, the same on every replica.</summary>
/// <param name="LearningRate">Learning rate of the step; 0 where there is none.</param>
/// <param name="GradientNorm">L2 norm of the averaged gradient before clipping; 0 where there is none.</param>
internal readonly record struct AppliedStep(double LearningRate, double GradientNorm);

/// <summary>The fourth move: the same average through the same update rule gives the same bits on every replica.</summary>
internal sealed class Apply(FlatModel model, IVectorOptimizer optimizer, Job job, Rounds rounds) : IDisposable
{
    private FlatContribution? _staging;

    /// <summary>Applies the averaged contribution of a training round.</summary>
    /// <param name="average">Of the map's layout. The update rule overwrites it, unless somebody else holds it too.</param>
    public AppliedStep Step(Round round, VectorBuffer average)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        if (!model.IsOnCpu || average.Storage is not TorchMemory memory) return Step(round, Staged(average), average.Tallies);
        if (!average.IsShared) return Step(round, memory.Contribution, average.Tallies);
        var copy = average.Copy();
        try
        {
            return Step(round, ((TorchMemory)copy.Storage).Contribution, average.Tallies);
        }
        finally
        {
            copy.Release();
        }
    }

    public void Dispose() => _staging?.Dispose();

    private AppliedStep Step(Round round, FlatContribution average, ReadOnlySpan<double> tallies)
    {
        switch (optimizer)
        {
            case IGradientOptimizer descent:
                var norm = GradientNorm.Clip(average.Gradient, job.ClipNorm);
                var rate = LearningRate.At(job.Schedule, ((GradientSpec)job.Optimizer).LearningRate, round.Step, rounds.Steps, rounds.StepsPerEpoch);
                descent.Step(model.Parameters, average.Gradient, rate);
                model.ApplyBufferChange(average.BufferChange);
                return new(rate, norm);
            case ISearchOptimizer search:
                // The buffers belong to the parameters: those of a candidate that is not kept go with it.
                if (search.Decide(model.Parameters, round.Step, tallies[Tally.Loss] / tallies[Tally.Samples])) model.ApplyBufferChange(average.BufferChange);
                return default;
            default:
                throw new NotSupportedException($"no step is defined for {optimizer.GetType().Name}");
        }
    }

    private FlatContribution Staged(VectorBuffer average)
    {
        _staging ??= new(model, empty([average.Layout.Floats], float32, model.Parameters.device));
        HostMemory.Import(average.Floats, _staging.Floats);
        return _staging;
    }
}
