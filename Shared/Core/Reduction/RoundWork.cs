using System.Runtime.InteropServices;
using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>
/// What a worker has to compute of a round and what it has already: keeps sums over a change of plan, so that only what
/// was lost elsewhere is computed again. What follows from a micro-batch is known before it is computed, so that each slice
/// of its contribution can be added, and sent, as soon as it is there. Allocates nothing once it has seen the largest round.
/// </summary>
public sealed class RoundWork
{
    private readonly TreeReduction _reduction = new();
    private readonly List<TreeNode> _complete = [];
    private ReductionTree _tree;
    private TreeNode _sum;
    private MicroBatchRange _range;
    private int _next;

    /// <summary>Nothing computed of a round, and nothing to compute before <see cref="Assign"/>.</summary>
    public RoundWork(Round round) => Restart(round);

    /// <summary>The round.</summary>
    public Round Round { get; private set; }

    /// <summary>Whether everything of the range is computed.</summary>
    public bool IsDone => _next >= _range.End;

    /// <summary>The next micro-batch to compute.</summary>
    /// <exception cref="InvalidOperationException">All are computed.</exception>
    public int Next => IsDone ? throw new InvalidOperationException("nothing is left to compute") : _next;

    /// <summary>What will be <see cref="Next"/> after it, under this range; null where nothing is left then.</summary>
    public int? AfterNext => !IsDone && FirstMissing(_sum.End) is var after && after < _range.End ? after : null;

    /// <summary>The additions that follow from the contribution of <see cref="Next"/>, in order. Each holds for every slice by itself.</summary>
    public ReadOnlySpan<Merge> Merges => IsDone ? [] : _reduction.Merges;

    /// <summary>The sum to send once the additions of <see cref="Merges"/> are made; null where it is part of a larger one to come.</summary>
    public TreeNode? Completes => !IsDone && _tree.IsInCover(_sum, _range) ? _sum : null;

    /// <summary>Forgets everything and begins with another round.</summary>
    public void Restart(Round round)
    {
        (Round, _tree, _range, _next) = (round, new(round.MicroBatches), default, 0);
        _reduction.Reset(round.MicroBatches);
    }

    /// <summary>Takes up a range.</summary>
    /// <param name="range">The micro-batches that this worker now has to send.</param>
    /// <param name="dropped">Receives the sums that are of no use under this range.</param>
    /// <returns>The sums held already that are to be sent as they are, in order; valid until the next call.</returns>
    public ReadOnlySpan<TreeNode> Assign(MicroBatchRange range, ICollection<TreeNode> dropped)
    {
        _range = range;
        _complete.Clear();
        for (var first = 0; first < Round.MicroBatches; first++)
        {
            if (_reduction.Held(first) == 0) continue;
            var node = new TreeNode(first, _reduction.Held(first));
            if (!range.Contains(node))
            {
                dropped.Add(node);
                _reduction.Drop(node);
            }
            else if (_tree.IsInCover(node, range)) _complete.Add(node);
        }
        GoTo(range.First);
        return CollectionsMarshal.AsSpan(_complete);
    }

    /// <summary>The contribution of <see cref="Next"/> is there and its additions are made: goes on to the next micro-batch that is missing.</summary>
    /// <exception cref="InvalidOperationException">All are computed.</exception>
    public void Advance()
    {
        if (IsDone) throw new InvalidOperationException("nothing is left to compute");
        GoTo(_reduction.Arrive(new(_next, 1)).End);
    }

    private void GoTo(int microBatch)
    {
        _next = FirstMissing(microBatch);
        if (!IsDone) _sum = _reduction.Follow(new(_next, 1));
    }

    private int FirstMissing(int microBatch)
    {
        // A sum that is held covers nothing before its first micro-batch, and ends where the next missing one, or the next sum, begins.
        while (microBatch < _range.End && _reduction.Held(microBatch) is > 0 and var held) microBatch += held;
        return microBatch;
    }
}
