using System.Runtime.InteropServices;
using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>
/// The micro-batches of a round that a worker has computed and still has to compute. Keeps sums over a change of plan, so that only
/// micro-batches lost elsewhere are computed again. The additions that follow from a micro-batch are known before it is computed, so each
/// slice can be added and sent as soon as backward completes it. Allocates nothing once it has seen the largest round.
/// </summary>
public sealed class RoundWork
{
    private readonly TreeReduction _reduction = new();
    private readonly List<TreeNode> _complete = [];
    private ReductionTree _tree;
    private TreeNode _sum;
    private MicroBatchRange _range;
    private int _next;

    /// <summary>Starts a round; there is nothing to compute before <see cref="Assign"/>.</summary>
    /// <param name="round">The round.</param>
    public RoundWork(Round round) => Restart(round);

    /// <summary>The round in progress.</summary>
    public Round Round { get; private set; }

    /// <summary>Whether every micro-batch of the range is computed.</summary>
    public bool IsDone => _next >= _range.End;

    /// <summary>The next micro-batch to compute.</summary>
    /// <exception cref="InvalidOperationException">Every micro-batch of the range is computed.</exception>
    public int Next => IsDone ? throw new InvalidOperationException("nothing is left to compute") : _next;

    /// <summary>The micro-batch after <see cref="Next"/> in the same range; null if that is the last one.</summary>
    public int? AfterNext => !IsDone && FirstMissing(_sum.End) is var after && after < _range.End ? after : null;

    /// <summary>The additions that follow from the contribution of <see cref="Next"/>, in order, the same for every slice.</summary>
    public ReadOnlySpan<Merge> Merges => IsDone ? [] : _reduction.Merges;

    /// <summary>The node to send after the additions of <see cref="Merges"/>; null if it will be part of a larger one.</summary>
    public TreeNode? Completes => !IsDone && _tree.IsInCover(_sum, _range) ? _sum : null;

    /// <summary>Drops all sums and starts another round.</summary>
    /// <param name="round">The round.</param>
    public void Restart(Round round)
    {
        (Round, _tree, _range, _next) = (round, new(round.MicroBatches), default, 0);
        _reduction.Reset(round.MicroBatches);
    }

    /// <summary>Assigns a range of micro-batches to this worker.</summary>
    /// <param name="range">The micro-batches that this worker has to send.</param>
    /// <param name="dropped">Receives the sums that do not fit into the range.</param>
    /// <returns>The sums that are held and complete, in order, to be sent now; valid until the next call.</returns>
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

    /// <summary>Goes on to the next missing micro-batch, after the additions of <see cref="Merges"/>.</summary>
    /// <exception cref="InvalidOperationException">Every micro-batch of the range is computed.</exception>
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
        // A sum covers nothing before its first micro-batch, and ends where the next missing micro-batch or the next sum begins.
        while (microBatch < _range.End && _reduction.Held(microBatch) is > 0 and var held) microBatch += held;
        return microBatch;
    }
}
