using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests;

namespace Distributed.Worker.Tests.Links;

/// <summary>A worker's links to peers that keep the rules of the protocol, or break them.</summary>
public sealed class WorkerLinksPeerTests : IDisposable
{
    /// <summary>Four rounds of three micro-batches; five slices, of which the last holds the tallies.</summary>
    private static readonly LinksSetup _setup = new(new(12, 0, 1, 3, 3), new(3 * VectorLayout.SliceFloats + 5, 3));

    /// <summary>Each worker computes one micro-batch. p owns slices 0 and 3, q owns 1 and 4, and the tested worker w owns 2.</summary>
    private static readonly Plan _three = new(1, 0, 4, ["p", "q", "w"], Topology.Mesh);
    private static readonly Plan _two = new(1, 0, 4, ["p", "w"], Topology.Mesh);

    private readonly PlainSums _plain = new(3, _setup.Layout);
    private readonly LinkedWorker _worker = new("w", _setup);
    private readonly List<ScriptedPeer> _peers = [];

    public void Dispose()
    {
        foreach (var peer in _peers) peer.Dispose();
        _worker.Dispose();
        _worker.Buffers.Dispose();
    }

    public static TheoryData<string, Func<FrameHeader, FrameHeader>> Violations => new()
    {
        { "p sent a frame of another job", f => f with { Job = LinkedWorker.Job + 1 } },
        { "which is not for p to send", f => f with { Node = new(1, 1) } },
        { "which is not for p to send", f => f with { Node = new(0, 2) } },
        { "which is not for p to send", f => f with { Node = new(-1, int.MaxValue) } },
        { "p sent slice 2 of TreeNode { First = 0, Count = 1, End = 1 } twice", f => f },
        { "p sent slice 1, which is not reduced here", f => f with { Slice = 1, Length = _setup.Layout.BytesOf(1).Length } },
        { "p sent slice 5 of 5", f => f with { Slice = 5 } },
        { "p sent slice -1 of 5", f => f with { Slice = -1 } },
        { "p sent slice 2 with 8 bytes", f => f with { Length = 8 } },
        { "p sent round 2 while round 0 is in progress", f => f with { Round = 2 } },
        { "p sent round 4, the plan ends before round 4", f => f with { Round = 4 } },
        { "p sent presence, but p has micro-batches to send", f => f with { Kind = FrameKind.Present, Length = 0 } },
        { "p sent a frame of kind State", f => f with { Kind = FrameKind.State } },
        { "p sent a frame of kind Hello", f => f with { Kind = FrameKind.Hello } },
        { "p sent slice 0 of the average, which is not awaited", _ => Average(0) },
        { "p sent slice 1 of the average, which is not its own", _ => Average(1) },
        { "p sent slice 2 of the average, which is not its own", _ => Average(2) },
        { "p sent slice 5 of the average, which is not awaited", _ => Average(0) with { Slice = 5 } },
        { "p sent slice -1 of the average, which is not awaited", _ => Average(0) with { Slice = -1 } },
        { "p sent slice 3 with 8 bytes", _ => Average(3) with { Length = 8 } },
        { "p sent the average of round 1, generation 1", _ => Average(3) with { Round = 1 } },
        { "p sent the average of round 0, generation 2", _ => Average(3) with { Generation = 2 } },
    };

    [Theory]
    [MemberData(nameof(Violations), DisableDiscoveryEnumeration = true)]
    public async Task A_frame_that_no_correct_worker_sends_closes_its_link_and_leaves_the_others_unaffected(
        string reason, Func<FrameHeader, FrameHeader> change)
    {
        var (p, q) = (await LinkAsync("p"), await LinkAsync("q"));
        Begin(_three);
        _worker.Links.Enter(0);
        var payload = new byte[FrameHeader.MaxLength];
        var contribution = Contribution(_three, "p", 0, new(0, 1), 2);
        foreach (var frame in (FrameHeader[])[contribution, Average(0), change(contribution)])
            p.Send(frame, payload.AsMemory(0, frame.Length));

        var (generation, peer, told) = _worker.NextClosed();
        Assert.Equal((1, "p"), (generation, peer));
        Assert.Contains(reason, told, StringComparison.Ordinal);
        await p.Closed.Soon();
        Assert.Equal(1, await _worker.RefusedAsync(MetricLabels.Violation));

        var plan = new Plan(2, 0, 4, ["q", "w"], Topology.Mesh);
        Begin(plan);
        _worker.Links.Enter(0);
        Play(q, plan, 0);
        AssertTakes(plan, 0);
        Assert.False(q.Closed.IsCompleted);
        Assert.Equal(0, _worker.ClosedLinks);
        AssertNothingIsHeld();
    }

    [Fact]
    public async Task Stale_frames_are_counted_and_change_nothing()
    {
        var p = await LinkAsync("p");
        Begin(_two);
        _worker.Links.Enter(0);
        Play(p, _two, 0);
        AssertTakes(_two, 0);

        _worker.Links.Enter(1);
        PlayContributions(p, _two, 0);
        PlayAverages(p, _two, 0);
        Play(p, _two, 1);
        AssertTakes(_two, 1);
        // p has one node: it sends a contribution to each slice of w, and the averages of its own slices.
        Assert.Equal(_setup.Layout.Slices, await _worker.RefusedAsync(MetricLabels.Stale));

        var plan = new Plan(2, 2, 4, ["w", "p"], Topology.Mesh);
        _worker.Links.Fence(2);
        Play(p, _two, 2);
        Begin(plan);
        _worker.Links.Enter(2);
        Play(p, plan, 2);
        AssertTakes(plan, 2);

        Assert.Equal(2 * _setup.Layout.Slices, await _worker.RefusedAsync(MetricLabels.Stale));
        Assert.Equal(0, await _worker.RefusedAsync(MetricLabels.Violation));
        Assert.Equal((3, 0), (_worker.Completed, _worker.ClosedLinks));
        AssertNothingIsHeld();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Frames_of_a_peer_that_is_a_round_ahead_wait_until_their_round(bool isShared)
    {
        var p = await LinkAsync("p", isShared);
        Begin(_two);
        _worker.Links.Enter(0);
        Play(p, _two, 0);
        PlayContributions(p, _two, 1);
        Assert.False(_worker.Help());
        for (var round = 0; round < 4; round++)
        {
            if (round > 0)
            {
                _worker.Links.Enter(round);
                PlayAverages(p, _two, round);
                if (round < 3) PlayContributions(p, _two, round + 1);
                Assert.False(_worker.Help());
            }
            AssertTakes(_two, round);
        }
        await AssertNothingIsRefusedAsync();
        AssertNothingIsHeld();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Frames_of_a_plan_that_the_worker_does_not_know_yet_wait_until_the_plan_begins(bool isShared)
    {
        // Under a first plan: this worker does not know yet that the peer has a link.
        var p = await LinkAsync("p", isShared);
        PlayContributions(p, _two, 0);
        Assert.False(_worker.Help());
        Begin(_two);
        _worker.Links.Enter(0);
        PlayAverages(p, _two, 0);
        AssertTakes(_two, 0);

        // Under a second plan, in which the same two workers have other shares: first while the first plan is in force, then between plans.
        var plan = new Plan(2, 1, 4, ["w", "p"], Topology.Mesh);
        _worker.Links.Enter(1);
        PlayContributions(p, plan, 1);
        Assert.False(_worker.Help());
        _worker.Links.Fence(2);
        Assert.False(_worker.Help());
        Begin(plan);
        _worker.Links.Enter(1);
        PlayAverages(p, plan, 1);
        AssertTakes(plan, 1);
        await AssertNothingIsRefusedAsync();
        AssertNothingIsHeld();
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task A_peer_that_reconnects_is_reported_and_linked_again_under_the_next_plan(bool isNoticed, bool isShared)
    {
        var former = await LinkAsync("p", isShared);
        Begin(_two);
        _worker.Links.Enter(0);
        Contribute(_two, 0);
        PlayContributions(former, _two, 0);
        if (isNoticed)
        {
            former.Dispose();
            Assert.Equal((1, "p"), Who(_worker.NextClosed()));
        }
        var p = await LinkAsync("p", isShared);
        if (!isNoticed)
        {
            Assert.Equal((1, "p", "p has connected anew"), _worker.NextClosed());
            await former.Closed.Soon();
        }

        var plan = _two with { Generation = 2 };
        Begin(plan);
        _worker.Links.Enter(0);
        Play(p, plan, 0);
        AssertTakes(plan, 0);
        // The worker sends it no frame of the former plan.
        for (var frames = 0; frames < FramesTo("p", plan); frames++) Assert.Equal(2, p.NextFrame().Header.Generation);
        Assert.Equal((0, 0), (p.WaitingFrames, _worker.ClosedLinks));
        AssertNothingIsHeld();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_that_disconnects_is_reported_once_and_the_other_links_stay(bool isShared)
    {
        var (p, q) = (await LinkAsync("p", isShared), await LinkAsync("q", isShared));
        Begin(_three);
        _worker.Links.Enter(0);
        p.Dispose();
        Assert.Equal((1, "p"), Who(_worker.NextClosed()));

        var plan = new Plan(2, 0, 4, ["q", "w"], Topology.Mesh);
        Begin(plan);
        _worker.Links.Enter(0);
        Play(q, plan, 0);
        AssertTakes(plan, 0);
        Assert.Equal(0, _worker.ClosedLinks);
        AssertNothingIsHeld();
    }

    [Fact]
    public async Task A_link_that_a_plan_does_not_need_is_closed_without_a_report()
    {
        var (p, stranger) = (await LinkAsync("p"), await LinkAsync("stranger"));
        _worker.AwaitLinks(2);
        Begin(_two);
        await stranger.Closed.Soon();
        Begin(new(2, 0, 4, ["w"], Topology.Mesh));
        await p.Closed.Soon();
        Assert.Equal(0, _worker.ClosedLinks);
    }

    [Fact]
    public void A_peer_that_cannot_be_reached_is_reported()
    {
        // Of two workers, the one whose name sorts first connects.
        var gone = new LinkedWorker("z", _setup);
        gone.Dispose();
        var plan = new Plan(7, 0, 4, ["w", "z"], Topology.Mesh);
        _worker.Links.Begin(plan, [_worker.Endpoint, gone.Endpoint]);
        var (generation, peer, reason) = _worker.NextClosed();
        Assert.Equal((7, "z"), (generation, peer));
        Assert.Contains($"{gone.Endpoint} cannot be reached", reason, StringComparison.Ordinal);
    }

    private async Task<ScriptedPeer> LinkAsync(string name, bool isShared = true)
    {
        var peer = await ScriptedPeer.ConnectAsync(name, _worker, isShared);
        _peers.Add(peer);
        return peer;
    }

    /// <summary>The worker itself connects to no peer, as the names of all peers sort before its own.</summary>
    private void Begin(Plan plan) => _worker.Links.Begin(plan, [.. plan.Workers.Select(_ => _worker.Endpoint)]);

    private static FrameHeader Average(int slice) =>
        new(FrameKind.Average, LinkedWorker.Job, 1, 0, slice, default, _setup.Layout.BytesOf(slice).Length);

    private static FrameHeader Contribution(Plan plan, string worker, long round, TreeNode node, int slice)
    {
        Assert.Contains(node, CoverOf(plan, worker));
        return new(FrameKind.Contribution, LinkedWorker.Job, plan.Generation, round, slice, node, _setup.Layout.BytesOf(slice).Length);
    }

    private static List<TreeNode> CoverOf(Plan plan, string worker) => new ReductionTree(3).Cover(plan.RangeOf(worker, 3));

    private static IEnumerable<int> SlicesOf(Plan plan, string worker) =>
        Enumerable.Range(0, _setup.Layout.Slices).Where(slice => plan.OwnerOf(slice) == plan.IndexOf(worker));

    /// <summary>Frames that the worker sends to a peer in a round: contributions to the peer's slices, and averages of its own.</summary>
    private static int FramesTo(string peer, Plan plan) =>
        CoverOf(plan, "w").Count * SlicesOf(plan, peer).Count() + SlicesOf(plan, "w").Count();

    /// <summary>A peer sends every frame that the worker expects from it in a round.</summary>
    private void Play(ScriptedPeer peer, Plan plan, long round)
    {
        PlayContributions(peer, plan, round);
        PlayAverages(peer, plan, round);
    }

    private void PlayContributions(ScriptedPeer peer, Plan plan, long round)
    {
        foreach (var node in CoverOf(plan, peer.Name))
        {
            var sum = _plain.Sum(_setup.Rounds.At(round), node);
            foreach (var slice in SlicesOf(plan, "w"))
                peer.Send(Contribution(plan, peer.Name, round, node, slice), sum.Slice(slice, _setup.Layout));
        }
    }

    private void PlayAverages(ScriptedPeer peer, Plan plan, long round)
    {
        var average = _plain.Average(_setup.Rounds.At(round));
        foreach (var slice in SlicesOf(plan, peer.Name))
            peer.Send(Average(slice) with { Generation = plan.Generation, Round = round }, average.Slice(slice, _setup.Layout));
    }

    /// <summary>The worker contributes its part of the current round, and takes an average with the bits of the plain sum.</summary>
    private void AssertTakes(Plan plan, long round)
    {
        Contribute(plan, round);
        var average = _worker.Take();
        Assert.True(Numbers.Of(average, RoundKind.Train).HasBitsOf(_plain.Average(_setup.Rounds.At(round))));
        average.Release();
    }

    private void Contribute(Plan plan, long round)
    {
        foreach (var node in CoverOf(plan, "w"))
        {
            var (sum, numbers) = (_worker.Buffers.Pool.Rent(), _plain.Sum(_setup.Rounds.At(round), node));
            numbers.Floats.CopyTo(sum.Floats);
            numbers.Tallies.CopyTo(sum.Tallies);
            _worker.Links.Contribute(node, 0, _setup.Layout.Slices, sum);
            sum.Release();
        }
    }

    private static (int, string) Who((int Generation, string Peer, string Reason) closed) => (closed.Generation, closed.Peer);

    private async Task AssertNothingIsRefusedAsync()
    {
        Assert.Equal(0, await _worker.RefusedAsync(MetricLabels.Stale));
        Assert.Equal(0, await _worker.RefusedAsync(MetricLabels.Violation));
        Assert.Equal(0, _worker.ClosedLinks);
    }

    private void AssertNothingIsHeld()
    {
        _worker.Dispose();
        _worker.Buffers.AssertAllReturned();
    }
}
