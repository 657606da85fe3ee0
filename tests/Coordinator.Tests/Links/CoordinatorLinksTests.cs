using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>Rounds over real connections.</summary>
public sealed class CoordinatorLinksTests : IDisposable
{
    private const int Seed = 42;

    /// <summary>Two training steps of two micro-batches, then an evaluation.</summary>
    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly VectorLayout _layout = new(VectorLayout.SliceFloats + 3, 3);

    private static readonly Gen<(Rounds Rounds, VectorLayout Layout, int Workers, bool IsShared, int Seed)> _any =
        from micro in Gen.Int[1, 9]
        from batch in Gen.Int[micro, 20]
        from train in Gen.Int[batch, 2 * batch]
        from test in Gen.OneOfConst(0, 1, 300)
        from floats in Gen.OneOf(Gen.Int[0, 100], Gen.Int[0, 200_000], Gen.Const(VectorLayout.SliceFloats))
        from tallies in Gen.Int[1, 5]
        from workers in Gen.Int[1, 5]
        from isShared in Gen.Bool
        from seed in Gen.Int
        select (new Rounds(train, test, 1, batch, micro), new VectorLayout(floats, tallies), workers, isShared, seed);

    private readonly StarBench _bench = new();
    private readonly PlainSums _sums = new(Seed, _layout);

    private CoordinatorLinks Star => _bench.Star;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public Task Any_division_and_order_of_the_work_gives_all_workers_the_bits_of_the_plain_sum() => _any.SampleAsync(async x =>
    {
        using var bench = new StarBench();
        bench.Open(x.Rounds, x.Layout, buffers: 40);
        var plan = bench.Begin(1, x.Rounds, [.. Enumerable.Range(1, x.Workers).Select(i => $"worker-{i}")]);
        var sums = new PlainSums(x.Seed, x.Layout);
        var links = await bench.LinkAllAsync(plan, x.IsShared);
        var work = links.Select(l => Task.Run(() => WorkAsync(l.Value, l.Key, plan, x.Rounds, sums, x.Layout, new(x.Seed))));
        await Task.WhenAll(work).Soon();
        Assert.Equal(x.Rounds.Count, bench.Completed);
        Assert.Equal(0, await bench.RefusedAsync(MetricLabels.Violation));
        await bench.AssertNothingIsHeldAsync();
    }, iter: 30, threads: 1);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_job_completes_with_as_many_workers_as_micro_batches_or_one_more(int workers)
    {
        _bench.Open(_rounds, _layout);
        var plan = _bench.Begin(1, _rounds, [.. Enumerable.Range(1, workers).Select(i => $"worker-{i}")]);
        var links = await _bench.LinkAllAsync(plan);
        var newcomer = await _bench.LinkAsync("newcomer");
        await Task.WhenAll(links.Select(l => WorkAsync(l.Value, l.Key, plan, _rounds, _sums, _layout, new(Seed)))).Soon();
        Assert.Equal(3, _bench.Completed);
        // A worker that has no part in the plan receives no frame of it.
        Star.SendState("newcomer", 1, 0, new byte[8]);
        Assert.Equal(FrameKind.State, (await newcomer.NextAsync()).Header.Kind);
    }

    [Fact]
    public async Task No_average_is_sent_before_the_idle_worker_is_present()
    {
        _bench.Open(_rounds, _layout);
        var plan = _bench.Begin(1, _rounds, "a", "b", "c");
        var links = await _bench.LinkAllAsync(plan);
        var idle = plan.Workers.Single(w => plan.RangeOf(w, 2).Count == 0);
        foreach (var (worker, link) in links) SendOwed(link, worker, plan, 0);
        foreach (var worker in plan.Workers.Remove(idle)) await _bench.SettleAsync(links[worker], worker, 1);
        Star.SendState(idle, 1, 0, new byte[8]);
        Assert.Equal(FrameKind.State, (await links[idle].NextAsync()).Header.Kind);
        links[idle].SendPresent(1, 0);
        foreach (var link in links.Values) await AssertAverageAsync(link, 1, 0);
    }

    [Fact]
    public async Task An_evaluation_exchanges_only_tallies()
    {
        _bench.Open(_rounds, _layout);
        var plan = _bench.Begin(1, _rounds, "a");
        var link = await _bench.LinkAsync("a");
        for (var round = 0; round < 3; round++)
        {
            SendOwed(link, "a", plan, round);
            var average = await AssertAverageAsync(link, 1, round);
            Assert.Equal(round < 2 ? [0, 1, 2] : [2], average.Keys);
        }
        Assert.False(link.HasMore);
    }

    [Fact]
    public async Task Frames_in_flight_when_a_generation_begins_leave_no_trace()
    {
        // The pool must not lend a buffer again while it is filled, even if it has no other.
        _bench.Open(_rounds, _layout, buffers: 1);
        var old = _bench.Begin(1, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(old);
        var stray = StarBench.BytesOf(new PlainSums(Seed + 1, _layout).Owed(old, "a", _rounds.At(0)).First());
        links["a"].SendBytes(stray.AsSpan(0, stray.Length / 2));

        var plan = _bench.Begin(2, _rounds, "b", "a");
        SendOwed(links["b"], "b", plan, 0);
        await _bench.SettleAsync(links["b"], "b", 2);
        links["a"].SendBytes(stray.AsSpan(stray.Length / 2));
        SendOwed(links["a"], "a", old, 0);
        SendOwed(links["a"], "a", plan, 0);
        foreach (var link in links.Values) await AssertAverageAsync(link, 2, 0);
        Assert.Equal(1 + _layout.Slices, await _bench.RefusedAsync(MetricLabels.Stale));
        await _bench.AssertNothingIsHeldAsync();
    }

    [Fact]
    public async Task After_the_end_no_buffer_of_an_incomplete_round_is_held()
    {
        _bench.Open(_rounds, _layout, buffers: 20);
        var plan = _bench.Begin(1, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(plan);
        SendOwed(links["a"], "a", plan, 0);
        await _bench.SettleAsync(links["a"], "a", 1);
        await _bench.AssertNothingIsHeldAsync();
    }

    [Fact]
    public async Task A_round_starts_again_with_the_remaining_workers()
    {
        _bench.Open(_rounds, _layout, buffers: 20);
        var old = _bench.Begin(1, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(old);
        SendOwed(links["b"], "b", old, 0);
        links["b"].Dispose();
        Assert.Equal("b", (await _bench.Closed.NextAsync()).Worker);
        Assert.False(_bench.IsLinked("b"));
        var plan = new Plan(2, 0, _rounds.Count, ["a"], Topology.Star);
        Star.Begin(plan);
        for (var round = 0; round < 3; round++)
        {
            SendOwed(links["a"], "a", plan, round);
            await AssertAverageAsync(links["a"], 2, round);
        }
        await _bench.AssertNothingIsHeldAsync();
    }

    [Fact]
    public async Task After_all_rounds_no_vector_is_held_and_states_still_arrive()
    {
        _bench.Open(_rounds, _layout, buffers: 20);
        var plan = _bench.Begin(1, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(plan);
        await Task.WhenAll(links.Select(l => WorkAsync(l.Value, l.Key, plan, _rounds, _sums, _layout, new(Seed)))).Soon();
        Assert.Equal(3, _bench.Completed);

        Star.EndReduction();

        await _bench.WhenFreedAsync();
        SendOwed(links["a"], "a", plan, 1);
        await _bench.SettleAsync(links["a"], "a", 1);
        Assert.Equal(_layout.Slices, await _bench.RefusedAsync(MetricLabels.Stale));
        Assert.Equal(0, await _bench.RefusedAsync(MetricLabels.Violation));
        Assert.False(links["a"].HasMore);
    }

    public static TheoryData<string, Func<FrameHeader, FrameHeader>> Violations => new()
    {
        { "a frame of another job", f => f with { Job = StarBench.Job + 1 } },
        { "is not for b to send", f => f with { Node = new(0, 1) } },
        { "is not for b to send", f => f with { Node = new(0, 2) } },
        { "is not for b to send", f => f with { Node = new(-1, int.MaxValue) } },
        { "twice", f => f },
        { "slice 3 of 3", f => f with { Slice = 3 } },
        { "slice -1 of 3", f => f with { Slice = -1 } },
        { "slice 1 with 8 bytes", f => f with { Slice = 1, Length = 8 } },
        { "round 1 while round 0 is in progress", f => f with { Round = 1 } },
        { "generation 8, newest is 7", f => f with { Generation = 8 } },
        { "b has micro-batches to send", f => f with { Kind = FrameKind.Present, Length = 0 } },
        { "b sent a frame of kind Average", f => f with { Kind = FrameKind.Average } },
        { "b sent a frame of kind Hello", f => f with { Kind = FrameKind.Hello } },
        { "b sent an unrequested state", f => f with { Kind = FrameKind.State } },
    };

    [Theory]
    [MemberData(nameof(Violations), DisableDiscoveryEnumeration = true)]
    public async Task A_protocol_violation_closes_the_link_of_its_worker_and_affects_no_other_worker(
        string reason, Func<FrameHeader, FrameHeader> change)
    {
        _bench.Open(_rounds, _layout, buffers: 20);
        var plan = _bench.Begin(7, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(plan);
        var (header, payload) = _sums.Owed(plan, "b", _rounds.At(0)).First();
        links["b"].Send(header, payload);
        var changed = change(header);
        links["b"].Send(changed, payload.AsMemory(0, changed.Length));

        var (worker, told) = await _bench.Closed.NextAsync();
        Assert.Equal("b", worker);
        Assert.Contains(reason, told, StringComparison.Ordinal);
        Assert.Equal(1, await _bench.RefusedAsync(MetricLabels.Violation));
        await links["b"].WhenClosed;
        Assert.False(_bench.IsLinked("b"));

        plan = _bench.Begin(8, _rounds, "a");
        SendOwed(links["a"], "a", plan, 0);
        await AssertAverageAsync(links["a"], 8, 0);
        await _bench.AssertNothingIsHeldAsync();
    }

    [Fact]
    public async Task A_changed_byte_closes_the_link_before_its_number_is_used()
    {
        _bench.Open(_rounds, _layout);
        var plan = _bench.Begin(1, _rounds, "a");
        var link = await _bench.LinkAsync("a");
        var frame = StarBench.BytesOf(_sums.Owed(plan, "a", _rounds.At(0)).First());
        frame[^1] ^= 1;
        link.SendBytes(frame);
        Assert.Contains("checksum", (await _bench.Closed.NextAsync()).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FrameKind.Contribution)]
    [InlineData(FrameKind.Present)]
    [InlineData(FrameKind.State)]
    public async Task A_frame_before_the_sizes_are_known_closes_the_link(FrameKind kind)
    {
        var link = await _bench.LinkAsync("a");
        link.Send(new(kind, StarBench.Job, 0, 0, 0, default, 0), default);
        Assert.StartsWith("a sent a", (await _bench.Closed.NextAsync()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_removed_worker_cannot_link_until_it_is_admitted_again()
    {
        _bench.Open(_rounds, _layout);
        var link = await _bench.LinkAsync("a");
        Star.Remove("a");
        await link.WhenClosed;
        Assert.False(_bench.IsLinked("a"));
        var again = _bench.Stranger();
        again.Greet(Star.Token, "a");
        await again.WhenClosed;
        await _bench.LinkAsync("a");
    }

    private static async Task WorkAsync(
        StarPeer link, string worker, Plan plan, Rounds rounds, PlainSums sums, VectorLayout layout, Random random)
    {
        for (var number = plan.FirstRound; number < plan.EndRound; number++)
        {
            var round = rounds.At(number);
            var owed = sums.Owed(plan, worker, round).ToArray();
            random.Shuffle(owed);
            foreach (var (header, payload) in owed) link.Send(header, payload);
            if (owed.Length == 0) link.SendPresent(plan.Generation, number);
            var slices = layout.Slices - layout.FirstSlice(round.Kind);
            Assert.Equal(sums.Average(round), await link.AverageAsync(plan.Generation, number, slices));
        }
    }

    private void SendOwed(StarPeer link, string worker, Plan plan, long round)
    {
        foreach (var (header, payload) in _sums.Owed(plan, worker, _rounds.At(round))) link.Send(header, payload);
    }

    private async Task<SortedDictionary<int, byte[]>> AssertAverageAsync(StarPeer link, int generation, long number)
    {
        var round = _rounds.At(number);
        var average = await link.AverageAsync(generation, number, _layout.Slices - _layout.FirstSlice(round.Kind));
        Assert.Equal(_sums.Average(round), average);
        return average;
    }
}
