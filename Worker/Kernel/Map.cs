using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Worker.Replicas;
using Distributed.Worker.Tasks;
using static TorchSharp.torch;

namespace Distributed.Worker.Kernel;

/// <summary>
/// The second move: a micro-batch gives a contribution, the sum over its samples of gradient, buffer change, loss and
/// metrics. A pure function of parameters, buffers, seed, step and micro-batch: who computes it, when, and what that worker
/// computed before make no difference.
/// </summary>
public sealed class Map(FlatModel model, ITrainingTask task, long seed, Device device) : IDisposable
{
    private readonly Tensor _bufferChange = zeros_like(model.Buffers);
    private (int Epoch, int[] Order) _permutation = (-1, []);

    /// <summary>Layout of a contribution: the gradient, then the change of the buffers, then the tallies.</summary>
    public VectorLayout Layout { get; } = new(
        checked((int)(model.Parameters.numel() + model.Buffers.numel())), Tally.FirstMetric + task.Metrics);

    /// <summary>Computes the contribution of a micro-batch.</summary>
    /// <param name="round">The round.</param>
    /// <param name="microBatch">Its micro-batch.</param>
    /// <param name="contribution">Of <see cref="Layout"/>; overwritten. An evaluation leaves the float vector as it is.</param>
    public void Compute(Round round, int microBatch, VectorBuffer contribution)
    {
        contribution.Tallies.Clear();
        var samples = SamplesOf(round, microBatch);
        if (samples.Length == 0)
        {
            if (round.Kind == RoundKind.Train) contribution.Floats.Clear();
            return;
        }
        contribution.Tallies[Tally.Samples] = samples.Length;

        using var scope = NewDisposeScope();
        model.RestoreBuffers();
        if (round.Kind == RoundKind.Evaluate)
        {
            model.Module.eval();
            using var noGrad = no_grad();
            contribution.Tallies[Tally.Loss] = Loss(round.Kind, samples, contribution).item<float>();
            return;
        }
        model.Module.train();
        model.ZeroGradient();
        using var generator = manual_seed((long)Permutation.Mix(seed, round.Step, microBatch));
        var loss = Loss(round.Kind, samples, contribution);
        loss.backward();
        contribution.Tallies[Tally.Loss] = loss.item<float>();
        var parameters = (int)model.Gradient.numel();
        HostMemory.Export(model.Gradient, contribution.Floats[..parameters]);
        using (no_grad()) model.BufferChange(samples.Length, _bufferChange);
        HostMemory.Export(_bufferChange, contribution.Floats[parameters..]);
    }

    /// <inheritdoc/>
    public void Dispose() => _bufferChange.Dispose();

    private Tensor Loss(RoundKind kind, ReadOnlySpan<int> samples, VectorBuffer contribution) =>
        task.LossSum(model.Module, kind, samples, device, contribution.Tallies[Tally.FirstMetric..]);

    private ReadOnlySpan<int> SamplesOf(Round round, int microBatch)
    {
        var (first, count) = round.MicroBatch(microBatch);
        if (round.Kind == RoundKind.Evaluate) return Enumerable.Range(first, count).ToArray();
        if (_permutation.Epoch != round.Epoch)
            _permutation = (round.Epoch, Permutation.Of(task.TrainSamples, seed, round.Epoch));
        return _permutation.Order.AsSpan(first, count);
    }
}
