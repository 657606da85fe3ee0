using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// The second move: computes the contribution of a micro-batch, the sum over its samples of gradient, buffer change, loss and metrics. It
/// is a pure function of parameters, buffers, seed, step and micro-batch; the worker, the time and earlier work make no difference.
/// On the CPU, backward adds straight into a contribution of <see cref="TorchMemory"/>, and slices are announced during backward. For other
/// memory or another device, the complete contribution is copied. A search needs no gradient: it runs no backward pass, and its
/// contributions have no gradient.
/// </summary>
/// <param name="search">Proposes the parameters of training rounds; null to use the model's.</param>
internal sealed class Map(FlatModel model, ITrainingTask task, long seed, Device device, ISearchOptimizer? search = null) : IDisposable
{
    private readonly BatchSource _batches = new(task, seed, device);
    private FlatContribution? _staging;
    private BackwardProgress? _progress;
    private Tensor? _best;

    /// <summary>The layout of a contribution: the gradient, if it is needed, the change of the buffers, the tallies.</summary>
    public VectorLayout Layout { get; } = new(
        checked((int)((search is null ? model.Parameters.numel() : 0) + model.Buffers.numel())), Tally.FirstMetric + task.Metrics);

    public string? OverlapNote => _progress?.Note;

    /// <param name="contribution">Of <see cref="Layout"/>; overwritten. An evaluation leaves the float vector unchanged.</param>
    /// <param name="announce">
    /// Called once, on this thread, for each slice that the round exchanges as soon as it is final, some while backward still runs.
    /// </param>
    /// <param name="next">The micro-batch to compute next, if known: its samples may be fetched meanwhile.</param>
    /// <exception cref="InvalidOperationException">A gradient changed after its slice was announced.</exception>
    public void Compute(
        Round round, int microBatch, VectorBuffer contribution, Action<int>? announce = null, (Round Round, int MicroBatch)? next = null)
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
            using var batch = _batches.Get(round, microBatch, next);
            if (round.Kind == RoundKind.Evaluate) Evaluate(batch, contribution);
            else if (search is not null) EvaluateCandidate(search, round, microBatch, batch, contribution);
            else if (Train(round, microBatch, batch, contribution, announce)) return;
        }
        for (var slice = Layout.FirstSlice(round.Kind); slice < Layout.Slices; slice++) announce?.Invoke(slice);
    }

    public void Dispose()
    {
        _batches.Dispose();
        _staging?.Dispose();
        _best?.Dispose();
    }

    private void Evaluate(SampleBatch batch, VectorBuffer contribution)
    {
        model.Module.eval();
        using var noGrad = no_grad();
        contribution.Tallies[Tally.Loss] = Loss(batch, contribution).item<float>();
    }

    /// <summary>Computes the loss of the step's candidate; afterwards the model's parameters are again the best so far.</summary>
    private void EvaluateCandidate(ISearchOptimizer proposals, Round round, int microBatch, SampleBatch batch, VectorBuffer contribution)
    {
        using var noGrad = no_grad();
        (_best ??= empty_like(model.Parameters).DetachFromDisposeScope()).copy_(model.Parameters);
        proposals.Propose(model.Parameters, round.Step);
        model.Module.train();
        using var generator = manual_seed((long)Permutation.Mix(seed, round.Step, microBatch));
        contribution.Tallies[Tally.Loss] = Loss(batch, contribution).item<float>();
        model.Parameters.copy_(_best);
        var inPlace = InPlace(contribution);
        var target = inPlace ?? Staging();
        model.BufferChange(contribution.Tallies[Tally.Samples], target.BufferChange);
        if (inPlace is null) CopyOut(target, contribution);
    }

    private bool Train(Round round, int microBatch, SampleBatch batch, VectorBuffer contribution, Action<int>? announce)
    {
        var inPlace = InPlace(contribution);
        var target = inPlace ?? Staging();
        model.Module.train();
        using (no_grad()) target.Gradient.zero_();
        model.AddGradientsTo(target);
        using var generator = manual_seed((long)Permutation.Mix(seed, round.Step, microBatch));
        var progress = inPlace is null || announce is null ? null : _progress ??= new(model, Layout);
        progress?.Begin(contribution, announce!);
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

    private FlatContribution? InPlace(VectorBuffer contribution) =>
        model.IsOnCpu ? (contribution.Storage as TorchMemory)?.Contribution : null;

    private FlatContribution Staging() => _staging ??= new(model, empty([Layout.Floats], float32, device));

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
