using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Worker.Training;

namespace Distributed.Worker.Tests.Replicas;

public sealed class MapSumsTests
{
    private static readonly VectorLayout _layout = new(VectorLayout.SliceFloats + 3, 2);

    private static readonly Gen<(int Leaves, int Seed, (MicroBatchRange Range, int Computed)[] Plans)> _cases =
        Gen.Int[1, 16].SelectMany(leaves =>
            Gen.Select(Gen.Const(leaves), Gen.Int,
                (from first in Gen.Int[0, leaves]
                 from end in Gen.Int[first, leaves]
                 from computed in Gen.Int[0, leaves]
                 select (new MicroBatchRange(first, end - first), computed)).Array[1, 4]));

    [Fact]
    public void Sums_made_slice_by_slice_have_the_bits_of_the_tree_and_sums_in_transit_do_not_change() => _cases.Sample(c =>
    {
        var random = new Random(c.Seed);
        using var pool = new VectorPool(_layout);
        using var sums = new MapSums(pool);
        var work = new RoundWork(new(0, RoundKind.Train, 0, 0, 0, c.Leaves, c.Leaves));
        sums.Restart(c.Leaves);
        List<(TreeNode Node, VectorBuffer Sum)> inTransit = [];
        foreach (var (range, limit) in c.Plans.Append((new(0, c.Leaves), c.Leaves)))
        {
            var dropped = new List<TreeNode>();
            foreach (var node in work.Assign(range, dropped)) inTransit.Add((node, sums.At(node).Hold()));
            foreach (var node in dropped) sums.Drop(node);
            for (var computed = 0; computed < limit && !work.IsDone; computed++)
            {
                var contribution = sums.Place(work.Next, work.Merges);
                FillLeaf(contribution, c.Seed, work.Next);
                int[] slices = [.. Enumerable.Range(0, _layout.Slices)];
                random.Shuffle(slices);
                foreach (var slice in slices)
                {
                    foreach (var merge in work.Merges) sums.AddSlice(merge, slice);
                    // The sum is sent at once, while other slices still have to be added.
                    if (slice == slices[0] && work.Completes is { } complete) inTransit.Add((complete, sums.At(complete).Hold()));
                }
                sums.Complete(work.Merges);
                work.Advance();
                if (inTransit.Count > 0 && random.Next(3) == 0) Arrive(random.Next(inTransit.Count));
            }
        }
        while (inTransit.Count > 0) Arrive(0);
        AssertSame(c.Seed, new(0, c.Leaves), sums.At(new(0, c.Leaves)));

        void Arrive(int place)
        {
            var (node, sum) = inTransit[place];
            AssertSame(c.Seed, node, sum);
            sum.Release();
            inTransit.RemoveAt(place);
        }
    }, iter: 40);

    [Fact]
    public void A_worker_holds_no_more_contributions_than_its_tree_has_levels() => Gen.Int[1, 128].Sample(leaves =>
    {
        var allocated = 0;
        using var pool = new VectorPool(new(1, 1), _ =>
        {
            allocated++;
            return new Memory();
        });
        using var sums = new MapSums(pool);
        var work = new RoundWork(new(0, RoundKind.Train, 0, 0, 0, leaves, leaves));
        for (var round = 0; round < 3; round++)
        {
            work.Restart(work.Round);
            sums.Restart(leaves);
            work.Assign(new(0, leaves), []);
            while (!work.IsDone)
            {
                sums.Place(work.Next, work.Merges);
                sums.Complete(work.Merges);
                work.Advance();
            }
        }
        Assert.InRange(allocated, 1, Math.Ceiling(Math.Log2(leaves)) + 1);
    }, iter: 50);

    [Fact]
    public void A_round_in_steady_state_allocates_nothing()
    {
        using var pool = new VectorPool(new(10, 1));
        using var sums = new MapSums(pool);
        var work = new RoundWork(new(0, RoundKind.Train, 0, 0, 0, 16, 16));
        var dropped = new List<TreeNode>();
        Cycle();
        Cycle();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 50; round++) Cycle();

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Cycle()
        {
            work.Restart(work.Round);
            sums.Restart(16);
            work.Assign(new(0, 16), dropped);
            for (; !work.IsDone; work.Advance())
            {
                sums.Place(work.Next, work.Merges);
                foreach (var merge in work.Merges)
                    for (var slice = 0; slice < pool.Layout.Slices; slice++) sums.AddSlice(merge, slice);
                sums.Complete(work.Merges);
            }
        }
    }

    [Fact]
    public void A_micro_batch_is_placed_only_once()
    {
        using var pool = new VectorPool(_layout);
        using var sums = new MapSums(pool);
        sums.Restart(2);
        sums.Place(1, []);
        Assert.Throws<InvalidOperationException>(() => sums.Place(1, []));
    }

    private static void FillLeaf(VectorBuffer vector, int seed, int leaf)
    {
        var random = new Random((leaf * 7919) ^ seed);
        foreach (ref var value in vector.Floats) value = random.NextSingle() - 0.5f;
        foreach (ref var tally in vector.Tallies) tally = random.NextDouble();
    }

    private static void AssertSame(int seed, TreeNode node, VectorBuffer actual)
    {
        using var pool = new VectorPool(_layout);
        var expected = Sum(node);
        Assert.True(expected.Floats.SequenceEqual(actual.Floats), $"{node}");
        Assert.True(expected.Tallies.SequenceEqual(actual.Tallies), $"{node}");
        expected.Release();

        VectorBuffer Sum(TreeNode of)
        {
            if (of.Count == 1)
            {
                var leaf = pool.Rent();
                FillLeaf(leaf, seed, of.First);
                return leaf;
            }
            var (left, right) = ReductionTree.Children(of);
            var (sum, addend) = (Sum(left), Sum(right));
            for (var i = 0; i < sum.Floats.Length; i++) sum.Floats[i] += addend.Floats[i];
            for (var i = 0; i < sum.Tallies.Length; i++) sum.Tallies[i] += addend.Tallies[i];
            addend.Release();
            return sum;
        }
    }

    private sealed class Memory : IVectorMemory
    {
        private readonly byte[] _bytes = GC.AllocateArray<byte>(256, pinned: true);

        public nint Address => (Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0) + VectorPool.Alignment - 1) & -VectorPool.Alignment;

        public void Dispose() { }
    }
}
