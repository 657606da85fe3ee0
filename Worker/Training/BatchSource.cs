using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// The samples of micro-batches. While one is computed, those of the next are fetched by another thread; where they are so few that
/// handing them over would take longer, they are fetched when they are needed. Belongs to one thread.
/// </summary>
/// <param name="device">Where they are to lie.</param>
internal sealed class BatchSource(ITrainingTask task, long seed, Device device) : IDisposable
{
    /// <summary>Values of a micro-batch from which on another thread fetches it, on the CPU (docs/performance.md has the figures).</summary>
    public const int MinValuesAhead = 1 << 15;

    private volatile EpochOrder? _order;
    private BatchAhead? _ahead;

    /// <summary>The samples of a micro-batch, which the caller disposes. What was fetched ahead is this, or it is dropped.</summary>
    /// <param name="microBatch">Its micro-batch, which has samples.</param>
    /// <param name="next">What will be asked for next, as far as is known: is fetched from now on.</param>
    public SampleBatch Take(Round round, int microBatch, (Round Round, int MicroBatch)? next)
    {
        if (_ahead?.Is(round, microBatch) == false) Drop();
        var batch = _ahead?.Take() ?? Fetch(round, microBatch);
        _ahead = null;
        if (next is var (nextRound, nextMicroBatch) && nextRound.MicroBatch(nextMicroBatch).Count > 0 && IsWorthAhead(batch))
            _ahead = new(nextRound, nextMicroBatch, Fetch);
        return batch;
    }

    public void Dispose() => Drop();

    private void Drop()
    {
        _ahead?.Dispose();
        _ahead = null;
    }

    private bool IsWorthAhead(SampleBatch batch) => device.type != TorchSharp.DeviceType.CPU || batch.Inputs.numel() >= MinValuesAhead;

    private SampleBatch Fetch(Round round, int microBatch)
    {
        var (first, count) = round.MicroBatch(microBatch);
        return task.Fetch(round.Kind, round.Epoch, round.Kind == RoundKind.Train ? OrderOf(round.Epoch).AsSpan(first, count) : [.. Enumerable.Range(first, count)], device);
    }

    private int[] OrderOf(int epoch)
    {
        var order = _order;
        if (order?.Epoch != epoch) _order = order = new(epoch, Permutation.Of(task.TrainSamples, seed, epoch));
        return order.Samples;
    }

    private sealed record EpochOrder(int Epoch, int[] Samples);
}

/// <summary>A micro-batch that a thread of the pool fetches, unless whoever wants it comes first.</summary>
internal sealed class BatchAhead : IDisposable
{
    private readonly (Round, int) _what;
    private readonly Task<SampleBatch?> _fetched;
    private int _isClaimed;

    public BatchAhead(Round round, int microBatch, Func<Round, int, SampleBatch> fetch)
    {
        _what = (round, microBatch);
        _fetched = Task.Run(() => Claim() ? fetch(round, microBatch) : null);
    }

    public bool Is(Round round, int microBatch) => _what == (round, microBatch);

    /// <summary>Waits for it if it is under way.</summary>
    /// <returns>The micro-batch, which the caller disposes; null where nobody had begun: then nobody will.</returns>
    public SampleBatch? Take() => Claim() ? null : _fetched.GetAwaiter().GetResult();

    /// <summary>Nobody wants it. What went wrong with it is told to whoever asks for it again.</summary>
    public void Dispose()
    {
        if (Claim()) return;
        Task.WaitAny(_fetched);
        if (_fetched.IsCompletedSuccessfully) _fetched.Result?.Dispose();
    }

    private bool Claim() => Interlocked.Exchange(ref _isClaimed, 1) == 0;
}
