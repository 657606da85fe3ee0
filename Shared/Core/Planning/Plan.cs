using System.Collections.Immutable;

namespace Distributed.Core.Planning;

/// <summary>Which processes reduce the contributions; the result is the same either way.</summary>
public enum Topology : byte
{
    /// <summary>The coordinator reduces every slice (parameter server).</summary>
    Star = 1,
    /// <summary>Each worker reduces some of the slices (reduce-scatter and all-gather).</summary>
    Mesh = 2,
}

/// <summary>
/// The first move: which worker computes which micro-batches, and which process reduces which slices. A plan is a lease: it holds from its
/// first round until a newer generation supersedes it or its last round is done, and needs no message in between. It decides where a
/// micro-batch is computed and summed, never what it contains nor in which order it is summed, so the result does not depend on it.
/// </summary>
/// <param name="Generation">Number of the plan in the job, from 1; frames of an older generation are stale.</param>
/// <param name="FirstRound">First round under this plan.</param>
/// <param name="EndRound">The round after the last one.</param>
/// <param name="Workers">Ids of the workers, in the order of their shares; not empty.</param>
/// <param name="Topology">Which processes reduce.</param>
public sealed record Plan(int Generation, long FirstRound, long EndRound, ImmutableArray<string> Workers, Topology Topology)
{
    private readonly ImmutableArray<int> _bounds = [];

    /// <summary>Micro-batches of each worker, in the order of <see cref="Workers"/>, in a round with as many micro-batches as their sum;
    /// in other rounds in proportion. Empty if all workers have the same share.</summary>
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

    /// <summary>The coordinator, where a worker is an index into <see cref="Workers"/>.</summary>
    public const int Coordinator = -1;

    /// <summary>The process that reduces a slice. Neighbouring slices, which backward completes one after the other, belong to different
    /// workers, so that all stay busy.</summary>
    /// <param name="slice">Slice of the vector, 0 or more.</param>
    /// <returns>Index into <see cref="Workers"/>, or <see cref="Coordinator"/>.</returns>
    public int OwnerOf(int slice) => Topology == Topology.Star ? Coordinator : slice % Workers.Length;

    /// <summary>The index of a worker in <see cref="Workers"/>.</summary>
    /// <param name="worker">Id of the worker.</param>
    /// <exception cref="ArgumentException">The plan does not include the worker.</exception>
    public int IndexOf(string worker) => Workers.IndexOf(worker, StringComparer.Ordinal) is var index and >= 0
        ? index
        : throw new ArgumentException($"{worker} has no part in generation {Generation}", nameof(worker));

    /// <summary>A round of the job with its number of micro-batches under this plan.</summary>
    /// <param name="rounds">The job's rounds.</param>
    /// <param name="number">0..<see cref="Rounds.Count"/>-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The job has no such round.</exception>
    public Round RoundAt(Rounds rounds, long number)
    {
        var round = rounds.At(number);
        return rounds.Relaxed && round.Kind == RoundKind.Train
            ? round with { MicroBatches = Math.Min(Workers.Length, round.Samples) }
            : round;
    }

    /// <summary>The contiguous micro-batches that a worker computes.</summary>
    /// <param name="worker">Id of the worker.</param>
    /// <param name="microBatches">Micro-batches of the round, at least 1.</param>
    /// <returns>A range that is empty for some workers if there are more workers than micro-batches.</returns>
    /// <exception cref="ArgumentException">The plan does not include the worker.</exception>
    public MicroBatchRange RangeOf(string worker, int microBatches) => RangeOf(IndexOf(worker), microBatches);

    /// <summary>The contiguous micro-batches that a worker computes.</summary>
    /// <param name="index">Index of the worker in <see cref="Workers"/>.</param>
    /// <param name="microBatches">Micro-batches of the round, at least 1.</param>
    /// <returns>A range that is empty for some workers if there are more workers than micro-batches.</returns>
    public MicroBatchRange RangeOf(int index, int microBatches)
    {
        var (from, to, of) = _bounds.IsEmpty ? (index, index + 1, Workers.Length) : (_bounds[index], _bounds[index + 1], _bounds[^1]);
        var first = (int)((long)microBatches * from / of);
        var end = (int)((long)microBatches * to / of);
        return new(first, end - first);
    }

    /// <summary>The number of micro-batches that each worker computes.</summary>
    /// <param name="microBatches">Micro-batches of the round, at least 1.</param>
    public ImmutableArray<int> SharesOf(int microBatches) =>
        [.. Enumerable.Range(0, Workers.Length).Select(i => RangeOf(i, microBatches).Count)];

    /// <summary>Whether the worker takes part in this plan.</summary>
    /// <param name="worker">Id of the worker.</param>
    public bool Includes(string worker) => Workers.Contains(worker, StringComparer.Ordinal);
}

/// <summary>Contiguous micro-batches of a round.</summary>
/// <param name="First">Id of the first one.</param>
/// <param name="Count">How many, 0 or more.</param>
public readonly record struct MicroBatchRange(int First, int Count)
{
    /// <summary>Id after the last one.</summary>
    public int End => First + Count;
}
