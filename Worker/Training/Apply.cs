using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Transport.Buffers;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <param name="LearningRate">0 for a search.</param>
/// <param name="GradientNorm">L2 norm of the averaged gradient before clipping; 0 for a search.</param>
internal readonly record struct AppliedStep(double LearningRate, double GradientNorm);

/// <summary>The fourth move: the same average and the same update rule give the same bits on every replica.</summary>
internal sealed class Apply(FlatModel model, IVectorOptimizer optimizer, Job job, Rounds rounds) : IDisposable
{
    private FlatContribution? _staging;

    /// <param name="average">The averaged contribution of a training round. The update rule overwrites it unless it is shared.</param>
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
                var baseRate = ((GradientSpec)job.Optimizer).LearningRate;
                var rate = LearningRate.At(job.Schedule, baseRate, round.Step, rounds.Steps, rounds.StepsPerEpoch);
                descent.Step(model.Parameters, average.Gradient, rate);
                model.ApplyBufferChange(average.BufferChange);
                return new(rate, norm);
            case ISearchOptimizer search:
                // The buffers belong to the parameters: those of a rejected candidate are dropped with it.
                var isBest = search.Decide(model.Parameters, round.Step, tallies[Tally.Loss] / tallies[Tally.Samples]);
                if (isBest) model.ApplyBufferChange(average.BufferChange);
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
