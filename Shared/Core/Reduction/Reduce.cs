namespace Distributed.Core.Reduction;

/// <summary>Where the vectors of a reduction lie: knows how to add, not what or when.</summary>
public interface IContributionSums
{
    /// <summary>Adds, element by element, a slice of the vector that starts at micro-batch <paramref name="from"/>
    /// to the same slice of the one that starts at <paramref name="into"/>.</summary>
    void Add(int into, int from, int slice);
}

/// <summary>
/// The third move: sums contributions along the tree, slice by slice, in whatever order they arrive. A node's sum lies in
/// the vector of its first micro-batch, so adding a right child to a left one is in place. A worker runs it over its own
/// micro-batches, whose siblings elsewhere never arrive, and what is left is the cover that it sends; whoever reduces runs
/// it over what the workers send, up to the root. Same tree, same bits. It is used for round after round without allocating.
/// </summary>
public sealed class Reduce
{
    private const int AddedToTheLeft = -1;

    private readonly int _slices;
    private int _leaves;
    private ReductionTree _tree;
    private int[] _summed = [];

    /// <summary>A reduction to which nothing has arrived.</summary>
    /// <param name="leaves">Micro-batches of the round.</param>
    /// <param name="slices">Slices a vector is cut into.</param>
    public Reduce(int leaves, int slices)
    {
        _slices = slices;
        Reset(leaves);
    }

    /// <summary>Forgets all that has arrived and takes up a round of so many micro-batches.</summary>
    public void Reset(int leaves)
    {
        (_leaves, _tree) = (leaves, new(leaves));
        var length = checked(leaves * _slices);
        if (_summed.Length < length) _summed = new int[length];
        else _summed.AsSpan(0, length).Clear();
    }

    /// <summary>The nodes whose sums of this slice are held now, in order.</summary>
    public IEnumerable<TreeNode> Held(int slice)
    {
        for (var first = 0; first < _leaves; first++)
            if (Summed(first, slice) > 0) yield return new(first, Summed(first, slice));
    }

    /// <summary>Whether this slice of a node that starts at this micro-batch is here, added to another or not.</summary>
    public bool HasArrived(int first, int slice) => Summed(first, slice) != 0;

    /// <summary>Takes in a slice of a node and adds what can be added.</summary>
    /// <returns>The node that now holds the sum: the root when the slice is complete.</returns>
    /// <exception cref="ArgumentException">The tree has no such node.</exception>
    /// <exception cref="InvalidOperationException">This slice of the node is already here.</exception>
    public TreeNode Arrive<TSums>(TreeNode node, int slice, TSums sums) where TSums : IContributionSums
    {
        if (!_tree.Has(node)) throw new ArgumentException($"{node} is no node of a tree of {_leaves} micro-batches", nameof(node));
        if (Summed(node.First, slice) != 0) throw new InvalidOperationException($"slice {slice} of {node} arrived twice");
        Set(node, slice, node.Count);
        while (node != _tree.Root)
        {
            var (left, right) = _tree.Pair(node);
            if (Summed(left.First, slice) != left.Count || Summed(right.First, slice) != right.Count) break;
            sums.Add(left.First, right.First, slice);
            Set(right, slice, AddedToTheLeft);
            node = new(left.First, left.Count + right.Count);
            Set(node, slice, node.Count);
        }
        return node;
    }

    private int Summed(int first, int slice) => _summed[first * _slices + slice];

    private void Set(TreeNode node, int slice, int count) => _summed[node.First * _slices + slice] = count;
}
