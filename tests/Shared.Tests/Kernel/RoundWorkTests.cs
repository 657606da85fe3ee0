using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests.Kernel;

public sealed class RoundWorkTests
{
    /// <summary>A round whose range changes repeatedly after some micro-batches.</summary>
    private sealed record Case(int Leaves, (MicroBatchRange Range, int Computed)[] Plans);

    private static readonly Gen<Case> _cases = Gen.Int[1, 40].SelectMany(leaves =>
        (from first in Gen.Int[0, leaves]
         from end in Gen.Int[first, leaves]
         from computed in Gen.Int[0, leaves]
         select (new MicroBatchRange(first, end - first), computed)).Array[1, 5].Select(plans => new Case(leaves, plans)));

    [Fact]
    public void The_additions_are_those_of_the_reduction_and_the_cover_is_sent_once() => _cases.Sample(c =>
    {
        var work = new RoundWork(RoundOf(c.Leaves));
        var tree = new ReductionTree(c.Leaves);
        var sums = Leaves(c.Leaves);
        HashSet<TreeNode> held = [];
        foreach (var (range, limit) in c.Plans.Append((new(0, c.Leaves), c.Leaves)))
        {
            var (cover, dropped) = (tree.Cover(range), new List<TreeNode>());
            var sent = work.Assign(range, dropped).ToArray().ToList();
            Assert.Equal(held.Where(node => !range.Contains(node)).OrderBy(node => node.First), dropped);
            held.ExceptWith(dropped);
            Assert.Equal(held.Where(cover.Contains).OrderBy(node => node.First), sent);
            foreach (var node in dropped) sums[node.First] = $"{node.First}";
            for (var computed = 0; computed < limit && !work.IsDone; computed++)
            {
                Assert.True(range.First <= work.Next && work.Next < range.End);
                Assert.DoesNotContain(held, node => node.First <= work.Next && work.Next < node.End);
                sums[work.Next] = $"{work.Next}";
                var node = new TreeNode(work.Next, 1);
                foreach (var (into, from) in work.Merges)
                {
                    var (left, right) = tree.Pair(node);
                    Assert.Equal((left.First, right.First), (into, from));
                    Assert.True(held.Remove(left == node ? right : left));
                    sums[into] = $"({sums[into]}+{sums[from]})";
                    node = new(left.First, left.Count + right.Count);
                }
                Assert.True(node == tree.Root || !held.Contains(SiblingOf(node)));
                Assert.Equal(cover.Contains(node) ? node : null, work.Completes);
                if (work.Completes is { } complete) sent.Add(complete);
                held.Add(node);
                var after = work.AfterNext;
                work.Advance();
                Assert.Equal(work.IsDone ? null : work.Next, after);
            }
            if (work.IsDone) Assert.Equal(cover, sent.OrderBy(node => node.First));
            else Assert.Subset(cover.ToHashSet(), sent.ToHashSet());
            foreach (var node in sent) Assert.Equal(Formula(node), sums[node.First]);
        }
        Assert.Throws<InvalidOperationException>(() => work.Next);
        Assert.Throws<InvalidOperationException>(work.Advance);
        Assert.Null(work.Completes);
        Assert.Null(work.AfterNext);

        TreeNode SiblingOf(TreeNode node) => tree.Pair(node) is var (left, right) && left == node ? right : tree.Pair(node).Left;
    });

    [Fact]
    public void A_round_after_a_round_begins_with_nothing() => Gen.Select(_cases, Gen.Int[1, 60]).Sample((c, leaves) =>
    {
        var work = new RoundWork(RoundOf(c.Leaves));
        foreach (var (range, limit) in c.Plans)
        {
            work.Assign(range, []);
            for (var computed = 0; computed < limit && !work.IsDone; computed++) work.Advance();
        }

        work.Restart(RoundOf(leaves));

        Assert.Equal(RoundOf(leaves), work.Round);
        Assert.True(work.IsDone);
        Assert.Equal(0, work.Assign(new(0, leaves), new Refusing()).Length);
        for (var next = 0; next < leaves; next++)
        {
            Assert.Equal(next, work.Next);
            work.Advance();
        }
        Assert.True(work.IsDone);
    });

    [Fact]
    public void A_round_in_steady_state_allocates_nothing()
    {
        var (work, dropped) = (new RoundWork(RoundOf(64)), new List<TreeNode>());
        var sent = 0;
        Cycle(0);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var number = 1; number < 100; number++) Cycle(number);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(100 * new ReductionTree(64).Cover(new(5, 40)).Count, sent);

        void Cycle(int number)
        {
            work.Restart(RoundOf(64 - (number % 3)) with { Number = number });
            sent += work.Assign(new(5, 40), dropped).Length;
            while (!work.IsDone)
            {
                if (work.Completes is not null) sent++;
                foreach (var merge in work.Merges) Assert.True(merge.Into < merge.From);
                work.Advance();
            }
        }
    }

    private static Round RoundOf(int leaves) => new(0, RoundKind.Train, 0, 0, 0, leaves, leaves);

    private static string[] Leaves(int count) => [.. Enumerable.Range(0, count).Select(i => $"{i}")];

    private static string Formula(TreeNode node)
    {
        if (node.Count == 1) return $"{node.First}";
        var (left, right) = ReductionTree.Children(node);
        return $"({Formula(left)}+{Formula(right)})";
    }

    /// <summary>A collection that rejects additions.</summary>
    private sealed class Refusing : List<TreeNode>, ICollection<TreeNode>
    {
        void ICollection<TreeNode>.Add(TreeNode item) => Assert.Fail($"{item} was dropped");
    }
}
