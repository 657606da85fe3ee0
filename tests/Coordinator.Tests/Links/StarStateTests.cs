using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Links;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>A donor sends its state over real connections through the coordinator to the workers that need it.</summary>
public sealed class StarStateTests : IDisposable
{
    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly VectorLayout _layout = new(VectorLayout.SliceFloats + 3, 3);

    private static readonly Gen<(int, int, int)> _transfers =
        Gen.Select(Gen.Int[1, 3], Gen.OneOfConst(1, 8, FrameHeader.MaxLength, 5 * FrameHeader.MaxLength / 2), Gen.Int);

    private readonly StarBench _bench = new();

    private CoordinatorLinks Star => _bench.Star;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public Task A_donor_sends_its_state_to_every_worker_that_needs_it() => _transfers.SampleAsync(async (receivers, bytes, seed) =>
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
    public async Task A_donor_sends_a_state_once_for_any_number_of_receivers()
    {
        const int Receivers = 5, Bytes = 5 * FrameHeader.MaxLength / 2;
        _bench.Open(_rounds, _layout, Bytes);
        var state = new byte[Bytes];
        new Random(7).NextBytes(state);
        var donor = await _bench.LinkAsync("donor");
        var links = new List<StarPeer>();
        for (var i = 1; i <= Receivers; i++) links.Add(await _bench.LinkAsync($"receiver-{i}"));
        Assert.Equal(
            [true, false, false, false, false],
            Enumerable.Range(1, Receivers).Select(i => Star.PassOn("donor", $"receiver-{i}", 3)));
        donor.SendState(3, 17, state);
        foreach (var link in links) Assert.Equal(state, await StateAsync(link, Bytes, 3, 17));
        // The coordinator keeps no copy: the donor has to send the state again to a worker that needs it later.
        Assert.True(Star.PassOn("donor", "receiver-1", 3));
        Assert.True(Star.PassOn("donor", "receiver-1", 4));
        Assert.False(donor.IsClosed);
    }

    [Fact]
    public async Task A_state_that_a_new_generation_interrupts_is_discarded_and_the_next_one_is_complete()
    {
        const int Bytes = 3 * FrameHeader.MaxLength;
        _bench.Open(_rounds, _layout, Bytes);
        var donor = await _bench.LinkAsync("donor");
        var receiver = await _bench.LinkAsync("receiver");
        byte[] first = new byte[Bytes], second = new byte[Bytes];
        Array.Fill(second, (byte)2);
        Star.ExpectState("donor", 1, (_, _) => Assert.Fail("the state is of an older generation"));
        var header = new FrameHeader(FrameKind.State, StarBench.Job, 1, 0, 0, new(3, Bytes), FrameHeader.MaxLength);
        var payload = first[..FrameHeader.MaxLength];
        byte[][] pieces = [.. Enumerable.Range(0, 3).Select(i => StarBench.BytesOf((header with { Slice = i }, payload)))];
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
    public async Task A_state_of_a_future_generation_is_refused()
    {
        _bench.Open(_rounds, _layout, stateBytes: 8);
        var donor = await _bench.LinkAsync("donor");
        Star.ExpectState("donor", 1, (_, _) => Assert.Fail("the state is of another generation"));
        donor.SendState(2, 0, new byte[8]);
        Assert.Equal("donor sent an unrequested state", (await _bench.Closed.NextAsync()).Reason);
    }

    [Theory]
    [InlineData(2, 9, 0, "a state of 9 bytes in 2 pieces received, 8 bytes expected")]
    [InlineData(1, int.MaxValue, 0, "a state of 2147483647 bytes")]
    [InlineData(1, 8, 1, "piece 1 of a state received, piece 0 expected")]
    public async Task A_state_of_the_wrong_size_or_order_is_refused(int pieces, int bytes, int piece, string reason)
    {
        _bench.Open(_rounds, _layout, stateBytes: 8);
        var donor = await _bench.LinkAsync("donor");
        Star.ExpectState("donor", 1, (_, _) => Assert.Fail("the state must be refused"));
        donor.Send(new(FrameKind.State, StarBench.Job, 1, 0, piece, new(pieces, bytes), 8), new byte[8]);
        Assert.Contains(reason, (await _bench.Closed.NextAsync()).Reason, StringComparison.Ordinal);
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
}
