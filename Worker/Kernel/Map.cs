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
/// <remarks>
/// On the CPU, backward adds straight into a contribution of <see cref="TorchMemory"/>, and its slices are announced as it goes.
/// Into other memory, and from another device, the contribution is copied when it is whole.
/// </remarks>
public sealed class Map(FlatModel model, ITrainingTask task, long seed, Device device) : IDisposable
{
    private readonly BatchSource _batches = new(task, seed, device);
    private FlatContribution? _staging;
    private BackwardProgress? _progress;

    /// <summary>Layout of a contribution: the gradient, then the change of the buffers, then the tallies.</summary>
    public VectorLayout Layout { get; } = new(
        checked((int)(model.Parameters.numel() + model.Buffers.numel())), Tally.FirstMetric + task.Metrics);

    /// <summary>Why some slices wait for the end of backward where they need not by the structure of the model; null where none do.</summary>
    public string? OverlapNote => _progress?.Note;

    /// <summary>Computes the contribution of a micro-batch.</summary>
    /// <param name="round">The round.</param>
    /// <param name="microBatch">Its micro-batch.</param>
    /// <param name="contribution">Of <see cref="Layout"/>; overwritten. An evaluation leaves the float vector as it is.</param>
    /// <param name="sink">
    /// Is told of each slice that the round exchanges, once, as soon as it is final: some of them while backward still runs.
    /// </param>
    /// <param name="next">The micro-batch that will be asked for next, if that is known: its samples may be fetched meanwhile.</param>
    /// <exception cref="InvalidOperationException">The model changed how it uses its parameters after slices of them were announced.</exception>
    public void Compute(Round round, int microBatch, VectorBuffer contribution, ISliceSink? sink = null, (Round Round, int MicroBatch)? next = null)
    {
        contribution.Tallies.Clear();
        var samples = round.MicroBatch(microBatch).Count;
        if (samples == 0)
        {
            if (round.Kind == RoundKind.Train) contribution.Floats.Clear();
        }
        else
        {
            contribution.Tallies[Tally.Samples] = samples;
            using var scope = NewDisposeScope();
            model.RestoreBuffers();
            using var batch = _batches.Take(round, microBatch, next);
            if (round.Kind == RoundKind.Evaluate) Evaluate(batch, contribution);
            else if (Train(round, microBatch, batch, contribution, sink)) return;
        }
        for (var slice = Layout.FirstSlice(round.Kind); slice < Layout.Slices; slice++) sink?.Ready(slice);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batches.Dispose();
        _staging?.Dispose();
    }

    private void Evaluate(SampleBatch batch, VectorBuffer contribution)
    {
        model.Module.eval();
        using var noGrad = no_grad();
        contribution.Tallies[Tally.Loss] = Loss(batch, contribution).item<float>();
    }

    /// <returns>Whether the slices are announced.</returns>
    private bool Train(Round round, int microBatch, SampleBatch batch, VectorBuffer contribution, ISliceSink? sink)
    {
        var inPlace = model.IsOnCpu ? (contribution.Storage as TorchMemory)?.Contribution : null;
        var target = inPlace ?? (_staging ??= new(model, empty([Layout.Floats], float32, device)));
        model.Module.train();
        using (no_grad()) target.Gradient.zero_();
        model.AddGradientsTo(target);
        using var generator = manual_seed((long)Permutation.Mix(seed, round.Step, microBatch));
        var progress = inPlace is null || sink is null ? null : _progress ??= new(model, Layout);
        progress?.Begin(contribution, sink!);
        var loss = Loss(batch, contribution);
        contribution.Tallies[Tally.Loss] = loss.item<float>();
        if (progress is null) loss.backward();
        else
        {
            progress.Backward(loss);
            progress.AnnounceBelow(progress.GradientSlices);
        }
        using (no_grad()) model.BufferChange(contribution.Tallies[Tally.Samples], target.BufferChange);
        if (inPlace is null) CopyOut(target, contribution);
        progress?.AnnounceBelow(Layout.Slices);
        return progress is not null;
    }

    private void CopyOut(FlatContribution from, VectorBuffer contribution)
    {
        if (contribution.Storage is not TorchMemory pinned)
        {
            HostMemory.Export(from.Floats, contribution.Floats);
            return;
        }
        using var noGrad = no_grad();
        pinned.Contribution.Floats.copy_(from.Floats, nonBlocking: true);
        cuda.synchronize(device);
    }

    private Tensor Loss(SampleBatch batch, VectorBuffer contribution) =>
        task.LossSum(model.Module, batch, contribution.Tallies[Tally.FirstMetric..]);
}
