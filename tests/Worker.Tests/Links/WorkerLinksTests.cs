using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;

namespace Distributed.Worker.Tests.Links;

/// <summary>Workers that are connected by real links, each driven by a thread of its own.</summary>
public sealed class WorkerLinksTests
{
    private sealed record Case(LinksSetup Setup, int Workers, int Seed);

    /// <summary>What happens when a replica has stopped in the middle of a round.</summary>
    private enum Change
    {
        /// <summary>It dies.</summary>
        Loss,
        /// <summary>Another one joins.</summary>
        Join,
        /// <summary>The same replicas continue in another order.</summary>
        Rebalance,
    }

    private static readonly Gen<Case> _cases =
        from micro in Gen.Int[1, 7]
        from batch in Gen.Int[micro, 20]
        from train in Gen.Int[batch, 3 * batch]
        from test in Gen.OneOfConst(0, 1, 300)
        from epochs in Gen.Int[1, 2]
        from floats in Gen.OneOf(Gen.Int[0, 100], Gen.Int[0, 120_000], Gen.Const(VectorLayout.SliceFloats))
        from tallies in Gen.Int[1, 5]
        from isShared in Gen.Bool
        from workers in Gen.Int[1, 4]
        from seed in Gen.Int
        select new Case(new(new(train, test, epochs, batch, micro), new(floats, tallies), isShared), workers, seed);

    private static readonly Gen<(Change What, int Who, int After)[]> _changes =
        Gen.Select(Gen.OneOfConst(Change.Loss, Change.Join, Change.Rebalance), Gen.Int[0, 100], Gen.Int[0, 1000]).Array[1, 4];

    [Fact]
    public Task All_replicas_take_the_bits_of_the_plain_sum_and_are_notified_once_a_round() => _cases.SampleAsync(async c =>
    {
        using var cluster = new MeshCluster(c.Setup, c.Seed);
        cluster.Join(c.Workers);
        cluster.Begin();
        cluster.Finish();
        foreach (var replica in cluster.All)
        {
            Assert.Equal(
                Enumerable.Range(0, (int)c.Setup.Rounds.Count).Select(round => (long)round),
                replica.Taken.Select(t => t.Round.Number));
            Assert.Equal(c.Setup.Rounds.Count, replica.Linked.Completed);
            Assert.Equal(0, replica.Linked.ClosedLinks);
            Assert.Equal(0, await replica.Linked.RefusedAsync(MetricLabels.Violation));
        }
        AssertPlain(cluster);
        cluster.AssertNothingIsHeld();
    }, iter: 30, threads: 1);

    [Fact]
    public Task A_plan_that_changes_in_the_middle_of_a_round_changes_no_bit_and_leaks_no_buffer() =>
        Gen.Select(_cases, _changes).SampleAsync(async (c, changes) =>
        {
            using var cluster = new MeshCluster(c.Setup, c.Seed);
            cluster.Join(c.Workers);
            foreach (var (what, who, after) in changes)
            {
                var stopping = cluster.Living[who % cluster.Living.Count];
                cluster.BeginAndStop(stopping, after);
                if (what == Change.Join) cluster.Join(1);
                else if (what == Change.Loss && cluster.Living.Count > 1) cluster.Kill(stopping);
            }
            cluster.Begin();
            cluster.Finish();
            foreach (var replica in cluster.All) Assert.Equal(0, await replica.Linked.RefusedAsync(MetricLabels.Violation));
            AssertPlain(cluster);
            cluster.AssertNothingIsHeld();
        }, iter: 30, threads: 1);

    [Fact]
    public void In_bfloat16_all_replicas_take_the_same_bits_and_nearly_the_plain_sum() => _cases.Sample(c =>
    {
        using var cluster = new MeshCluster(c.Setup with { IsBfloat16 = true }, c.Seed);
        cluster.Join(c.Workers);
        cluster.Begin();
        cluster.Finish();
        var first = cluster.All[0].Taken;
        for (var i = 0; i < first.Count; i++)
        {
            var (round, average) = first[i];
            Assert.All(
                cluster.All,
                replica => Assert.True(replica.Taken[i].Average.HasBitsOf(average), $"{replica.Name} differs in {round}"));
            var (plain, magnitudes) = (cluster.Plain.Average(round), cluster.Plain.Magnitudes(round));
            Assert.Equal(plain.Tallies, average.Tallies);
            // Each contribution is rounded once when it is sent, and the average once more, each by at most 2^-8 of its value.
            for (var at = 0; at < magnitudes.Length; at++)
            {
                Assert.True(
                    Math.Abs(plain.Floats[at] - average.Floats[at]) <= magnitudes[at] * 0.0079f,
                    $"the average has {average.Floats[at]} instead of {plain.Floats[at]} in {round}");
            }
        }
        cluster.AssertNothingIsHeld();
    }, iter: 15, threads: 1);

    [Fact]
    public async Task A_worker_alone_uses_no_link()
    {
        var setup = new LinksSetup(new(12, 5, 1, 4, 3), new(2 * VectorLayout.SliceFloats + 7, 3));
        using var cluster = new MeshCluster(setup, 7);
        cluster.Join(1);
        cluster.Begin();
        cluster.Finish();
        var linked = cluster.All[0].Linked;
        Assert.Equal(setup.Rounds.Count, linked.Completed);
        Assert.Equal((0, 0, 0), (linked.Links.ContributionBytesSent, linked.Greeted, linked.ClosedLinks));
        Assert.Equal(0, await linked.LinkBytesAsync());
        AssertPlain(cluster);
        cluster.AssertNothingIsHeld();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_thousand_rounds_in_steady_state_allocate_nothing_on_the_replicas_threads(bool isShared)
    {
        const int warmUp = 300;
        var setup = new LinksSetup(new(2 * (warmUp + 1000), 0, 1, 2, 2), new(VectorLayout.SliceFloats + 100, 3), isShared);
        using var a = new LinkedWorker("a", setup);
        using var b = new LinkedWorker("b", setup);
        var plan = new Plan(1, 0, setup.Rounds.Count, ["a", "b"], Topology.Mesh);
        foreach (var linked in (LinkedWorker[])[a, b]) linked.Links.Begin(plan, [a.Endpoint, b.Endpoint]);

        var allocated = await Task.WhenAll(
            Task.Factory.StartNew(() => Run(a, 0), default, TaskCreationOptions.LongRunning, TaskScheduler.Default),
            Task.Factory.StartNew(() => Run(b, 1), default, TaskCreationOptions.LongRunning, TaskScheduler.Default)).Soon();

        // A garbage collection that other tests cause charges 24 bytes to each thread; one object a round would exceed the limit.
        Assert.All(allocated, bytes => Assert.InRange(bytes, 0, 20_000));

        long Run(LinkedWorker linked, int self)
        {
            var sum = linked.Buffers.Pool.Rent();
            sum.Floats.Fill(1);
            sum.Tallies.Fill(1);
            var before = 0L;
            for (var round = 0; round < setup.Rounds.Count; round++)
            {
                if (round == warmUp) before = GC.GetAllocatedBytesForCurrentThread();
                linked.Links.Enter(round);
                linked.Links.Contribute(new(self, 1), 0, setup.Layout.Slices, sum);
                var average = linked.Take();
                var isRight = average.Floats[^1] == 1 && average.Tallies[0] == 2;
                average.Release();
                if (!isRight) throw new InvalidDataException($"round {round} has a wrong average");
            }
            sum.Release();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    private static void AssertPlain(MeshCluster cluster)
    {
        foreach (var taken in cluster.All.SelectMany(replica => replica.Taken).GroupBy(t => t.Round))
        {
            var plain = cluster.Plain.Average(taken.Key);
            Assert.All(taken, t => Assert.True(t.Average.HasBitsOf(plain), $"{t.Round}"));
        }
    }
}
