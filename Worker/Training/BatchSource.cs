using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// The samples of micro-batches. While one micro-batch is computed, another thread fetches the next; small ones, for which the handover
/// would take longer than the fetch, are fetched on demand. Belongs to one thread.
/// </summary>
internal sealed class BatchSource(ITrainingTask task, long seed, Device device) : IDisposable
{
    /// <summary>On the CPU, micro-batches with fewer values are fetched on demand (figures in docs/performance.md).</summary>
    public const int MinValuesAhead = 1 << 15;

    private volatile EpochOrder? _order;
    private BatchAhead? _ahead;

    /// <summary>The samples of a micro-batch that is not empty; the caller disposes them. Drops another that was prefetched.</summary>
    /// <param name="next">The micro-batch to prefetch, if known.</param>
    public SampleBatch Get(Round round, int microBatch, (Round Round, int MicroBatch)? next)
    {
        if (_ahead?.Is(round, microBatch) == false) Drop();
        var batch = _ahead?.Wait() ?? Fetch(round, microBatch);
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

    private bool IsWorthAhead(SampleBatch batch) =>
        device.type != TorchSharp.DeviceType.CPU || batch.Inputs.numel() >= MinValuesAhead;

    private SampleBatch Fetch(Round round, int microBatch)
    {
        var (first, count) = round.MicroBatch(microBatch);
        ReadOnlySpan<int> samples = round.Kind == RoundKind.Train
            ? OrderOf(round.Epoch).AsSpan(first, count) : (int[])[.. Enumerable.Range(first, count)];
        return task.Fetch(round.Kind, round.Epoch, samples, device);
    }

    private int[] OrderOf(int epoch)
    {
        var order = _order;
        if (order?.Epoch != epoch) _order = order = new(epoch, Permutation.Of(task.TrainSamples, seed, epoch));
        return order.Samples;
    }

    private sealed record EpochOrder(int Epoch, int[] Samples);
}

/// <summary>A micro-batch that a thread of the pool fetches, unless the consumer asks for it first.</summary>
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

    /// <returns>The micro-batch, which the caller disposes; null if no thread had begun to fetch it: then none will.</returns>
    public SampleBatch? Wait() => Claim() ? null : _fetched.GetAwaiter().GetResult();

    /// <summary>Discards it. An error of the fetch is ignored here; it occurs again if the micro-batch is asked for again.</summary>
    public void Dispose()
    {
        if (Claim()) return;
        Task.WaitAny(_fetched);
        if (_fetched.IsCompletedSuccessfully) _fetched.Result?.Dispose();
    }

    private bool Claim() => Interlocked.Exchange(ref _isClaimed, 1) == 0;
}
