using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>Rounds and states over real connections.</summary>
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
    public Task Whoever_computes_what_and_whatever_comes_first_all_receive_the_bits_of_the_plain_sum() => _any.SampleAsync(async x =>
    {
        using var bench = new StarBench();
        bench.Open(x.Rounds, x.Layout, buffers: 40);
        var plan = bench.Begin(1, x.Rounds, [.. Enumerable.Range(1, x.Workers).Select(i => $"worker-{i}")]);
        var sums = new PlainSums(x.Seed, x.Layout);
        var links = await bench.LinkAllAsync(plan, x.IsShared);
        await Task.WhenAll(links.Select(l => Task.Run(() => WorkAsync(l.Value, l.Key, plan, x.Rounds, sums, x.Layout, new(x.Seed))))).Soon();
        Assert.Equal(x.Rounds.Count, bench.Completed);
        Assert.Equal(0, await bench.RefusedAsync(MetricLabels.Violation));
        await bench.AssertNothingIsHeldAsync();
    }, iter: 30, threads: 1);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_job_goes_through_with_a_worker_more_than_there_are_micro_batches(int workers)
    {
        _bench.Open(_rounds, _layout);
        var plan = _bench.Begin(1, _rounds, [.. Enumerable.Range(1, workers).Select(i => $"worker-{i}")]);
        var links = await _bench.LinkAllAsync(plan);
        var newcomer = await _bench.LinkAsync("newcomer");
        await Task.WhenAll(links.Select(l => WorkAsync(l.Value, l.Key, plan, _rounds, _sums, _layout, new(Seed)))).Soon();
        Assert.Equal(3, _bench.Completed);
        // Who has no part in the plan is sent nothing of it.
        Star.SendState("newcomer", 1, 0, new byte[8]);
        Assert.Equal(FrameKind.State, (await newcomer.NextAsync()).Header.Kind);
    }

    [Fact]
    public async Task No_average_leaves_before_the_idle_are_present()
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
    public async Task An_evaluation_exchanges_tallies_alone()
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
    public async Task Whatever_is_on_its_way_at_a_fence_leaves_no_trace()
    {
        // A buffer that is filled must not be lent again, even if there is no other.
        _bench.Open(_rounds, _layout, buffers: 1);
        var old = _bench.Begin(1, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(old);
        var stray = Frame(new PlainSums(Seed + 1, _layout).Owed(old, "a", _rounds.At(0)).First());
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
    public async Task At_the_end_nothing_is_held_of_a_round_that_is_not_complete()
    {
        _bench.Open(_rounds, _layout, buffers: 20);
        var plan = _bench.Begin(1, _rounds, "a", "b");
        var links = await _bench.LinkAllAsync(plan);
        SendOwed(links["a"], "a", plan, 0);
        await _bench.SettleAsync(links["a"], "a", 1);
        await _bench.AssertNothingIsHeldAsync();
    }

    [Fact]
    public async Task A_round_begins_anew_with_those_who_are_left()
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
    public async Task Once_all_rounds_are_applied_no_vector_is_held_and_states_still_come()
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

    [Fact]
    public Task A_state_goes_from_one_donor_to_all_who_need_it() => Gen.Select(Gen.Int[1, 3], Gen.OneOfConst(1, 8, FrameHeader.MaxLength, 5 * FrameHeader.MaxLength / 2), Gen.Int).SampleAsync(async (receivers, bytes, seed) =>
    {
        using var bench = new StarBench();
        bench.Open(_rounds, _layout, bytes);
        var star = bench.Star;
        var state = new byte[bytes];
        new Random(seed).NextBytes(state);
        var donor = await bench.LinkAsync("donor");
        for (var i = 1; i <= receivers; i++)
        {
            var receiver = $"receiver-{i}";
            star.ExpectState("donor", 3, (applied, given) => star.SendState(receiver, 3, applied, given));
        }
        for (var i = 1; i <= receivers; i++)
        {
            var link = await bench.LinkAsync($"receiver-{i}");
            donor.SendState(3, 17, state);
            Assert.Equal(state, await StateAsync(link, bytes, 3, 17));
        }
        Assert.False(donor.IsClosed);
    }, iter: 10, threads: 1);

    [Fact]
    public async Task However_many_need_a_state_the_donor_sends_it_once()
    {
        const int Receivers = 5, Bytes = 5 * FrameHeader.MaxLength / 2;
        _bench.Open(_rounds, _layout, Bytes);
        var state = new byte[Bytes];
        new Random(7).NextBytes(state);
        var donor = await _bench.LinkAsync("donor");
        var links = new List<StarPeer>();
        for (var i = 1; i <= Receivers; i++) links.Add(await _bench.LinkAsync($"receiver-{i}"));
        Assert.Equal([true, false, false, false, false], Enumerable.Range(1, Receivers).Select(i => Star.PassOn("donor", $"receiver-{i}", 3)));
        donor.SendState(3, 17, state);
        foreach (var link in links) Assert.Equal(state, await StateAsync(link, Bytes, 3, 17));
        // For one who needs it after it has gone, it has to come again: nobody keeps it.
        Assert.True(Star.PassOn("donor", "receiver-1", 3));
        Assert.True(Star.PassOn("donor", "receiver-1", 4));
        Assert.False(donor.IsClosed);
    }

    [Fact]
    public async Task A_state_that_a_new_generation_cuts_off_is_thrown_away_and_the_next_one_is_whole()
    {
        const int Bytes = 3 * FrameHeader.MaxLength;
        _bench.Open(_rounds, _layout, Bytes);
        var donor = await _bench.LinkAsync("donor");
        var receiver = await _bench.LinkAsync("receiver");
        byte[] first = new byte[Bytes], second = new byte[Bytes];
        Array.Fill(second, (byte)2);
        Star.ExpectState("donor", 1, (_, _) => Assert.Fail("the state is of an older generation"));
        var header = new FrameHeader(FrameKind.State, StarBench.Job, 1, 0, 0, new(3, Bytes), FrameHeader.MaxLength);
        byte[][] pieces = [.. Enumerable.Range(0, 3).Select(i => Frame((header with { Slice = i }, first[..FrameHeader.MaxLength])))];
        donor.SendBytes(pieces[0]);
        donor.SendBytes(pieces[1].AsSpan(0, pieces[1].Length / 2));
        await _bench.WhenReceivedAsync(pieces[0].Length);
        Star.ExpectState("donor", 2, (applied, state) => Star.SendState("receiver", 2, applied, state));
        donor.SendBytes(pieces[1].AsSpan(pieces[1].Length / 2));
        donor.SendBytes(pieces[2]);
        donor.SendState(2, 5, second);
        Assert.Equal(second, await StateAsync(receiver, Bytes, 2, 5));
    }

    [Fact]
    public async Task A_state_of_a_generation_to_come_is_refused()
    {
        _bench.Open(_rounds, _layout, stateBytes: 8);
        var donor = await _bench.LinkAsync("donor");
        Star.ExpectState("donor", 1, (_, _) => Assert.Fail("the state is of another generation"));
        donor.SendState(2, 0, new byte[8]);
        Assert.Equal("donor sent an unrequested state", (await _bench.Closed.NextAsync()).Reason);
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
    public async Task What_no_correct_worker_sends_closes_its_link_and_harms_no_other(string reason, Func<FrameHeader, FrameHeader> change)
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
        var frame = Frame(_sums.Owed(plan, "a", _rounds.At(0)).First());
        frame[^1] ^= 1;
        link.SendBytes(frame);
        Assert.Contains("checksum", (await _bench.Closed.NextAsync()).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FrameKind.Contribution)]
    [InlineData(FrameKind.Present)]
    [InlineData(FrameKind.State)]
    public async Task Before_the_sizes_are_known_there_is_nothing_to_send(FrameKind kind)
    {
        var link = await _bench.LinkAsync("a");
        link.Send(new(kind, StarBench.Job, 0, 0, 0, default, 0), default);
        Assert.StartsWith("a sent a", (await _bench.Closed.NextAsync()).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 9, 0, "a state of 9 bytes in 2 pieces received, 8 bytes expected")]
    [InlineData(1, int.MaxValue, 0, "a state of 2147483647 bytes")]
    [InlineData(1, 8, 1, "piece 1 of a state received, piece 0 expected")]
    public async Task A_state_of_another_size_or_order_is_refused(int pieces, int bytes, int piece, string reason)
    {
        _bench.Open(_rounds, _layout, stateBytes: 8);
        var donor = await _bench.LinkAsync("donor");
        Star.ExpectState("donor", 1, (_, _) => Assert.Fail("no state"));
        donor.Send(new(FrameKind.State, StarBench.Job, 1, 0, piece, new(pieces, bytes), 8), new byte[8]);
        Assert.Contains(reason, (await _bench.Closed.NextAsync()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_who_is_expelled_does_not_come_back()
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

    private static async Task WorkAsync(StarPeer link, string worker, Plan plan, Rounds rounds, PlainSums sums, VectorLayout layout, Random random)
    {
        for (var number = plan.FirstRound; number < plan.EndRound; number++)
        {
            var round = rounds.At(number);
            var owed = sums.Owed(plan, worker, round).ToArray();
            random.Shuffle(owed);
            foreach (var (header, payload) in owed) link.Send(header, payload);
            if (owed.Length == 0) link.SendPresent(plan.Generation, number);
            Assert.Equal(sums.Average(round), await link.AverageAsync(plan.Generation, number, layout.Slices - layout.FirstSlice(round.Kind)));
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

    private static async Task<byte[]> StateAsync(StarPeer link, int bytes, int generation, long applied)
    {
        var assembly = new StateAssembly(bytes);
        while (true)
        {
            var (header, payload) = await link.NextAsync();
            Assert.Equal((FrameKind.State, generation, applied), (header.Kind, header.Generation, header.Round));
            if (assembly.Add(header, payload) is { } state) return state;
        }
    }

    private static byte[] Frame((FrameHeader Header, byte[] Payload) frame)
    {
        var bytes = new byte[FrameHeader.Size + frame.Payload.Length];
        frame.Header.Write(bytes, frame.Payload);
        frame.Payload.CopyTo(bytes, FrameHeader.Size);
        return bytes;
    }
}
