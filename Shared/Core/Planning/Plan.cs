using System.Collections.Immutable;

namespace Distributed.Core.Planning;

/// <summary>Who reduces the contributions; the result is the same either way.</summary>
public enum Topology : byte
{
    /// <summary>The coordinator reduces every slice.</summary>
    Star = 1,
    /// <summary>Each worker reduces slices of its own.</summary>
    Mesh = 2,
}

/// <summary>
/// The first move: who computes and who reduces what. A plan is a lease: it holds from its first round until a newer generation
/// supersedes it or its last round is done, and needs no message in between. It decides only where a micro-batch is
/// computed and where it is summed, never what it contains nor in which order it is summed, so the result does not depend
/// on it.
/// </summary>
/// <param name="Generation">Counts the plans of a job, from 1; everything sent under an older one is refused.</param>
/// <param name="FirstRound">First round under this plan.</param>
/// <param name="EndRound">The round after the last one.</param>
/// <param name="Workers">Ids of the workers, in the order of their shares; not empty.</param>
/// <param name="Topology">Who reduces.</param>
public sealed record Plan(int Generation, long FirstRound, long EndRound, ImmutableArray<string> Workers, Topology Topology)
{
    private readonly ImmutableArray<int> _bounds = [];

    /// <summary>Micro-batches of each worker, in the order of <see cref="Workers"/>, for rounds of as many as they are together; for
    /// others in proportion. Empty: all have the same share.</summary>
    public ImmutableArray<int> Shares
    {
        get;
        init
        {
            field = value;
            var sum = 0;
            _bounds = value.IsDefaultOrEmpty ? [] : [0, .. value.Select(share => sum += share)];
        }
    } = [];

    /// <summary>Stands for the coordinator where otherwise an index into <see cref="Workers"/> stands.</summary>
    public const int Coordinator = -1;

    /// <summary>Who reduces a slice. Neighbouring slices, which backward completes one after the other, go to different
    /// workers, so that all are kept busy.</summary>
    /// <param name="slice">Slice of the vector, 0 or more.</param>
    /// <returns>Index into <see cref="Workers"/>, or <see cref="Coordinator"/>.</returns>
    public int OwnerOf(int slice) => Topology == Topology.Star ? Coordinator : slice % Workers.Length;

    /// <summary>The index of a worker in <see cref="Workers"/>.</summary>
    /// <exception cref="ArgumentException">The worker has no part in this plan.</exception>
    public int IndexOf(string worker) => Workers.IndexOf(worker, StringComparer.Ordinal) is var index and >= 0
        ? index
        : throw new ArgumentException($"{worker} has no part in generation {Generation}", nameof(worker));

    /// <summary>A round of the job as it is cut under this plan.</summary>
    /// <param name="rounds">The job's rounds.</param>
    /// <param name="number">0..<see cref="Rounds.Count"/>-1.</param>
    public Round RoundAt(Rounds rounds, long number)
    {
        var round = rounds.At(number);
        return rounds.Relaxed && round.Kind == RoundKind.Train ? round with { MicroBatches = Math.Min(Workers.Length, round.Samples) } : round;
    }

    /// <summary>The contiguous micro-batches a worker computes in every round of so many.</summary>
    /// <param name="worker">Id of a worker of this plan.</param>
    /// <param name="microBatches">Micro-batches of the round, at least 1.</param>
    /// <returns>First micro-batch and count; a count of 0 where there are more workers than micro-batches.</returns>
    /// <exception cref="ArgumentException">The worker has no part in this plan.</exception>
    public MicroBatchRange RangeOf(string worker, int microBatches) => RangeOf(IndexOf(worker), microBatches);

    /// <summary>The contiguous micro-batches a worker computes in every round of so many.</summary>
    /// <param name="index">Index of the worker in <see cref="Workers"/>.</param>
    /// <param name="microBatches">Micro-batches of the round, at least 1.</param>
    /// <returns>First micro-batch and count; a count of 0 where there are more workers than micro-batches.</returns>
    public MicroBatchRange RangeOf(int index, int microBatches)
    {
        var (from, to, of) = _bounds.IsEmpty ? (index, index + 1, Workers.Length) : (_bounds[index], _bounds[index + 1], _bounds[^1]);
        var first = (int)((long)microBatches * from / of);
        var end = (int)((long)microBatches * to / of);
        return new(first, end - first);
    }

    /// <summary>How many micro-batches of a round of so many each worker computes.</summary>
    public ImmutableArray<int> SharesOf(int microBatches) => [.. Enumerable.Range(0, Workers.Length).Select(i => RangeOf(i, microBatches).Count)];

    /// <summary>Whether the worker has a part in this plan.</summary>
    public bool Includes(string worker) => Workers.Contains(worker, StringComparer.Ordinal);
}

/// <summary>Contiguous micro-batches of a round.</summary>
/// <param name="First">Id of the first one.</param>
/// <param name="Count">How many; may be 0.</param>
public readonly record struct MicroBatchRange(int First, int Count)
{
    /// <summary>Id after the last one.</summary>
    public int End => First + Count;
}
