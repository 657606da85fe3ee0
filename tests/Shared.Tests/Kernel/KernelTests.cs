using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests.Kernel;

public sealed class KernelTests
{
    private static readonly Gen<Rounds> _anyRounds =
        from train in Gen.Int[1, 300]
        from test in Gen.Int[0, 300]
        from epochs in Gen.Int[1, 4]
        from batch in Gen.Int[1, train]
        from micro in Gen.Int[1, batch]
        select new Rounds(train, test, epochs, batch, micro);

    [Fact]
    public void An_epoch_uses_every_sample_exactly_once() => _anyRounds.Sample(rounds =>
    {
        var used = new int[rounds.Epochs * rounds.TrainSamples];
        for (long number = 0; number < rounds.Count; number++)
        {
            var round = rounds.At(number);
            Assert.Equal(number, round.Number);
            var (next, total) = (round.First, 0);
            for (var id = 0; id < round.MicroBatches; id++)
            {
                var (first, count) = round.MicroBatch(id);
                Assert.Equal(next, first);
                next += count;
                total += count;
                if (round.Kind == RoundKind.Train)
                    for (var i = first; i < first + count; i++) used[round.Epoch * rounds.TrainSamples + i]++;
            }
            Assert.Equal(round.Samples, total);
        }
        Assert.All(used, times => Assert.Equal(1, times));
    });

    [Fact]
    public void Every_epoch_ends_with_one_evaluation_of_the_whole_test_set() => _anyRounds.Sample(rounds =>
    {
        var evaluations = Enumerable.Range(0, (int)rounds.Count).Select(n => rounds.At(n)).Where(r => r.Kind == RoundKind.Evaluate)
            .ToList();
        Assert.Equal(rounds.TestSamples == 0 ? 0 : rounds.Epochs, evaluations.Count);
        Assert.All(evaluations, (r, epoch) =>
        {
            Assert.Equal((epoch, 0, rounds.TestSamples), (r.Epoch, r.First, r.Samples));
            Assert.Equal((long)(epoch + 1) * rounds.StepsPerEpoch, r.Step);
            Assert.All(Enumerable.Range(0, r.MicroBatches), id => Assert.InRange(r.MicroBatch(id).Count, 1, Rounds.EvaluationMicroBatch));
        });
    });

    [Fact]
    public void A_permutation_holds_every_number_once_and_depends_on_seed_and_epoch_alone() =>
        Gen.Select(Gen.Int[0, 500], Gen.Long, Gen.Int[0, 50]).Sample((count, seed, epoch) =>
        {
            var order = Permutation.Of(count, seed, epoch);
            Assert.Equal(order, Permutation.Of(count, seed, epoch));
            Assert.Equal(Enumerable.Range(0, count), order.Order());
            if (count > 20) Assert.NotEqual(order, Permutation.Of(count, seed, epoch + 1));
        });

    [Fact]
    public void The_permutation_of_a_seed_never_changes_between_versions() =>
        Assert.Equal("5 2 1 0 7 9 4 6 3 8", string.Join(" ", Permutation.Of(10, 1, 0)));

    [Fact]
    public void A_plan_gives_every_micro_batch_to_one_worker() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[1, 70]).Sample((workers, microBatches) =>
        {
            var plan = PlanOf(workers);
            var next = 0;
            foreach (var worker in plan.Workers)
            {
                var range = plan.RangeOf(worker, microBatches);
                Assert.Equal(next, range.First);
                Assert.InRange(range.Count, microBatches / workers, microBatches / workers + 1);
                next = range.End;
            }
            Assert.Equal(microBatches, next);
        });

    [Fact]
    public void A_plan_with_shares_gives_every_micro_batch_to_one_worker_and_each_its_share() =>
        Gen.Select(Gen.Int[0, 9].Array[1, 12].Where(shares => shares.Sum() > 0), Gen.Int[1, 70]).Sample((shares, microBatches) =>
        {
            var plan = PlanOf(shares.Length) with { Shares = [.. shares] };
            Assert.Equal(shares, plan.SharesOf(shares.Sum()));
            var next = 0;
            for (var worker = 0; worker < shares.Length; worker++)
            {
                var range = plan.RangeOf(worker, microBatches);
                Assert.Equal(next, range.First);
                Assert.InRange(range.Count - ((double)microBatches * shares[worker] / shares.Sum()), -1, 1);
                next = range.End;
            }
            Assert.Equal(microBatches, next);
            Assert.Equal(
                PlanOf(shares.Length).SharesOf(microBatches),
                shares.Select((_, i) => (microBatches * (i + 1) / shares.Length) - (microBatches * i / shares.Length)));
        });

    [Fact]
    public void No_shares_have_a_smaller_makespan() =>
        Gen.Select(Gen.Double[0.1, 10].Array[1, 4], Gen.Int[1, 8]).Sample((seconds, microBatches) =>
        {
            var best = Balance.FastestShares(microBatches, seconds);
            Assert.Equal(microBatches, best.Sum());
            var makespan = Balance.Makespan(best, seconds);
            foreach (var shares in Splits(microBatches, seconds.Length))
                Assert.True(Balance.Makespan([.. shares], seconds) >= makespan - 1e-12);
        }, iter: 300);

    private static IEnumerable<IEnumerable<int>> Splits(int sum, int parts) => parts == 1
        ? [[sum]]
        : Enumerable.Range(0, sum + 1).SelectMany(first => Splits(sum - first, parts - 1).Select(rest => rest.Prepend(first)));

    [Fact]
    public void The_index_of_a_worker_gives_the_range_of_its_id() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[1, 70]).Sample((workers, microBatches) =>
        {
            var plan = PlanOf(workers);
            Assert.All(plan.Workers, (id, index) =>
            {
                Assert.Equal(index, plan.IndexOf(id));
                Assert.Equal(plan.RangeOf(id, microBatches), plan.RangeOf(index, microBatches));
            });
            Assert.Throws<ArgumentException>(() => plan.IndexOf("stranger"));
            Assert.Throws<ArgumentException>(() => plan.RangeOf("stranger", microBatches));
        });

    [Fact]
    public void The_coordinator_of_a_star_owns_every_slice_and_workers_of_a_mesh_alternate() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[0, 500]).Sample((workers, slice) =>
        {
            Assert.Equal(Plan.Coordinator, PlanOf(workers).OwnerOf(slice));
            var mesh = PlanOf(workers) with { Topology = Topology.Mesh };
            Assert.Equal(Enumerable.Range(0, workers), Enumerable.Range(slice, workers).Select(mesh.OwnerOf).Order());
        });

    [Fact]
    public void Only_steps_of_a_relaxed_job_have_one_micro_batch_per_worker() =>
        Gen.Select(_anyRounds, Gen.Int[1, 12]).Sample((rounds, workers) =>
        {
            var plan = PlanOf(workers);
            for (var number = 0L; number < rounds.Count; number++)
            {
                var (strict, relaxed) = (plan.RoundAt(rounds, number), plan.RoundAt(rounds with { Relaxed = true }, number));
                Assert.Equal(rounds.At(number), strict);
                Assert.Equal(strict with { MicroBatches = relaxed.MicroBatches }, relaxed);
                Assert.Equal(
                    strict.Kind == RoundKind.Train ? Math.Min(workers, strict.Samples) : strict.MicroBatches,
                    relaxed.MicroBatches);
                if (strict.Kind == RoundKind.Train)
                    Assert.All(plan.Workers, w => Assert.InRange(plan.RangeOf(w, relaxed.MicroBatches).Count, 0, 1));
            }
        });

    [Fact]
    public void The_cover_of_a_range_is_made_of_tree_nodes_and_is_exactly_the_range() =>
        Gen.Int[1, 200].SelectMany(
            leaves => Gen.Int[0, leaves].SelectMany(first => Gen.Int[0, leaves - first], (first, count) => (leaves, first, count)))
            .Sample((leaves, first, count) =>
            {
                var tree = new ReductionTree(leaves);
                var cover = tree.Cover(new(first, count));
                Assert.All(cover, node => Assert.True(tree.Has(node) && tree.IsInCover(node, new(first, count))));
                if (leaves <= 20) Assert.Equal(cover.Count, Nodes(leaves).Count(node => tree.IsInCover(node, new(first, count))));
                Assert.Equal(Enumerable.Range(first, count), cover.SelectMany(n => Enumerable.Range(n.First, n.Count)));
                Assert.True(cover.Count <= 2 * Math.Ceiling(Math.Log2(leaves + 1)));
            });

    [Fact]
    public void A_tree_has_only_its_own_nodes()
    {
        foreach (var leaves in Enumerable.Range(1, 20))
        {
            var nodes = Nodes(leaves);
            foreach (var first in Enumerable.Range(-1, leaves + 3))
                foreach (var count in Enumerable.Range(-1, leaves + 3))
                    Assert.Equal(nodes.Contains(new(first, count)), new ReductionTree(leaves).Has(new(first, count)));
        }
    }

    private static HashSet<TreeNode> Nodes(int leaves)
    {
        var nodes = new HashSet<TreeNode>();
        Collect(new ReductionTree(leaves).Root, nodes);
        return nodes;

        static void Collect(TreeNode node, HashSet<TreeNode> nodes)
        {
            nodes.Add(node);
            if (node.Count == 1) return;
            var (left, right) = ReductionTree.Children(node);
            Collect(left, nodes);
            Collect(right, nodes);
        }
    }

    /// <summary>Sums that record their additions: like that of floats, the addition is not associative.</summary>
    private sealed class Formulas(int leaves)
    {
        public string[] At { get; } = [.. Enumerable.Range(0, leaves).Select(i => $"{i}")];

        public void Add(Merge merge) => At[merge.Into] = $"({At[merge.Into]}+{At[merge.From]})";

        public TreeNode Arrive(TreeReduction reduction, TreeNode node, int lane = 0)
        {
            var sum = reduction.Arrive(node, lane);
            foreach (var merge in reduction.Merges) Add(merge);
            return sum;
        }
    }

    [Fact]
    public void The_sum_has_the_same_form_in_any_order_and_split_of_arrival() =>
        Gen.Int[1, 40].SelectMany(leaves => Gen.Select(Gen.Const(leaves), Gen.Int[1, 6], Gen.Int)).Sample((leaves, workers, seed) =>
        {
            var expected = new Formulas(leaves);
            var alone = new RoundWork(new Round(0, RoundKind.Train, 0, 0, 0, leaves, leaves));
            alone.Assign(new(0, leaves), []);
            while (!alone.IsDone) alone.Computed(expected.Add);

            var sums = new Formulas(leaves);
            var plan = PlanOf(workers);
            var sent = new List<TreeNode>();
            foreach (var worker in plan.Workers)
            {
                var work = new RoundWork(new Round(0, RoundKind.Train, 0, 0, 0, leaves, leaves));
                work.Assign(plan.RangeOf(worker, leaves), []);
                while (!work.IsDone)
                    if (work.Computed(sums.Add) is { } node) sent.Add(node);
            }
            var shuffled = sent.ToArray();
            new Random(seed).Shuffle(shuffled);
            var reduction = new TreeReduction();
            reduction.Reset(leaves);
            var last = shuffled.Aggregate(default(TreeNode), (_, node) => sums.Arrive(reduction, node));
            Assert.Equal(new TreeNode(0, leaves), last);
            Assert.Equal(expected.At[0], sums.At[0]);
        });

    [Fact]
    public void A_worker_whose_range_changes_computes_only_missing_micro_batches() =>
        (from leaves in Gen.Int[1, 40]
         from first in Gen.Int[0, leaves - 1]
         from count in Gen.Int[1, leaves - first]
         from done in Gen.Int[0, count]
         from newFirst in Gen.Int[0, first]
         from newEnd in Gen.Int[first + count, leaves]
         select (leaves, first, count, done, newFirst, newEnd)).Sample(x =>
        {
            var sums = new Formulas(x.leaves);
            var work = new RoundWork(new Round(0, RoundKind.Train, 0, 0, 0, x.leaves, x.leaves));
            work.Assign(new(x.first, x.count), []);
            for (var i = 0; i < x.done; i++) work.Computed(sums.Add);
            var dropped = new List<TreeNode>();
            var sent = work.Assign(new(x.newFirst, x.newEnd - x.newFirst), dropped).ToArray().ToList();
            Assert.Empty(dropped);
            var computed = 0;
            for (; !work.IsDone; computed++)
                if (work.Computed(sums.Add) is { } node) sent.Add(node);
            Assert.Equal(x.newEnd - x.newFirst - x.done, computed);
            Assert.Equal(new ReductionTree(x.leaves).Cover(new(x.newFirst, x.newEnd - x.newFirst)), sent.OrderBy(n => n.First));
        });

    [Fact]
    public void A_slice_that_arrives_twice_is_refused()
    {
        var reduction = new TreeReduction();
        reduction.Reset(4);
        reduction.Arrive(new(0, 1));
        reduction.Arrive(new(1, 1));
        Assert.Throws<InvalidOperationException>(() => reduction.Arrive(new(1, 1)));
        Assert.Throws<InvalidOperationException>(() => reduction.Arrive(new(0, 2)));
        Assert.Throws<ArgumentException>(() => reduction.Arrive(new(1, 2)));
        reduction.Drop(new(0, 2));
        Assert.Equal(new TreeNode(1, 1), reduction.Arrive(new(1, 1)));
    }

    [Fact]
    public void A_reused_reduction_sums_like_a_new_one_and_allocates_nothing() => Gen.Int[1, 40].Array[2, 6].Sample(rounds =>
    {
        var again = new TreeReduction(lanes: 2);
        again.Reset(rounds.Max());
        foreach (var leaves in rounds)
        {
            var (sums, expected) = (new Formulas(leaves), new Formulas(leaves));
            again.Reset(leaves);
            var anew = new TreeReduction(lanes: 2);
            anew.Reset(leaves);
            for (var i = leaves - 1; i >= 0; i--)
            {
                Assert.False(again.HasArrived(i, 1));
                Assert.Equal(expected.Arrive(anew, new(i, 1), 1), sums.Arrive(again, new(i, 1), 1));
                Assert.True(again.HasArrived(i, 1));
            }
            Assert.Equal(expected.At[0], sums.At[0]);
            Assert.All(
                Enumerable.Range(0, leaves),
                first => Assert.Equal((anew.Held(first, 1), 0), (again.Held(first, 1), again.Held(first))));
        }
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var leaves in rounds)
        {
            again.Reset(leaves);
            for (var i = 0; i < leaves; i++) again.Arrive(new(i, 1));
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    });

    [Fact]
    public void Slices_are_adjacent_and_cover_the_vector() =>
        Gen.Select(Gen.Int[0, 300_000], Gen.Int[1, 9]).Sample((floats, tallies) =>
        {
            var layout = new VectorLayout(floats, tallies);
            var covered = 0;
            for (var slice = 0; slice < layout.TallySlice; slice++)
            {
                var (offset, length) = layout.BytesOf(slice);
                Assert.Equal(covered, offset);
                Assert.InRange(length, 4, VectorLayout.SliceFloats * 4);
                Assert.Equal(
                    (length, length / 2),
                    (layout.WireBytesOf(slice, isBfloat16: false), layout.WireBytesOf(slice, isBfloat16: true)));
                covered += length;
            }
            Assert.Equal(floats * 4, covered);
            var tally = layout.BytesOf(layout.TallySlice);
            Assert.Equal((0, layout.Bytes), (tally.Offset % 8, tally.Offset + tally.Length));
            Assert.All([true, false], isBfloat16 => Assert.Equal(tally.Length, layout.WireBytesOf(layout.TallySlice, isBfloat16)));
        });

    private static Plan PlanOf(int workers) => new(1, 0, 1, [.. Enumerable.Range(0, workers).Select(i => $"worker-{i}")], Topology.Star);
}
