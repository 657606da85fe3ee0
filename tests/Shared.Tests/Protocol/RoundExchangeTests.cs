using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests.Protocol;

public sealed class RoundExchangeTests
{
    private static readonly Gen<RoundSituation> _anyProcess =
        from micro in Gen.Int[1, 10]
        from steps in Gen.Int[1, 3]
        from test in Gen.OneOfConst(0, 1, 300)
        from floats in Gen.OneOfConst(0, 3, VectorLayout.SliceFloats + 1, 4 * VectorLayout.SliceFloats)
        from workers in Gen.Int[1, 6]
        from self in Gen.Int[Plan.Coordinator, workers - 1]
        from generation in Gen.Int[1, 5]
        from done in Gen.Int[0, steps]
        from options in Gen.Select(Gen.Bool, Gen.Bool, Gen.Int)
        select new RoundSituation(
            new(steps * 10, test, 1, 10, micro, options.Item1),
            new(floats, 2),
            options.Item2,
            workers,
            self,
            generation,
            done,
            options.Item3);

    /// <summary>A process that owns slices of the round in progress.</summary>
    private static readonly Gen<RoundSituation> _any = _anyProcess.Where(s => s.Owed.Count > 0);

    private static readonly Gen<RoundSituation> _anyCoordinator = _any.Where(s => s.Self == Plan.Coordinator);
    private static readonly Gen<RoundSituation> _anyPeer = _any.Where(s => s.Self != Plan.Coordinator);

    [Fact]
    public void All_owed_frames_are_accepted_in_any_order_and_complete_the_round() => _anyProcess.Sample(s =>
    {
        var complete = new List<int>();
        foreach (var owed in s.Owed)
        {
            Assert.False(s.Reduction.IsComplete);
            Assert.Equal(FrameVerdict.Accept, s.Classify(owed, out var why));
            Assert.Empty(why);
            complete.AddRange(s.Arrive(owed));
        }
        s.AssertCompleteWithAverages();
        Assert.Equal(s.OwnedSlices, complete.Order());
        Assert.All(
            Enumerable.Range(-1, s.Layout.Slices + 2),
            slice => Assert.Equal(s.OwnedSlices.Contains(slice), s.Reduction.Owns(slice)));
    });

    [Fact]
    public void To_a_coordinator_frames_of_a_former_coordinators_plan_are_stale_before_its_first_plan() => _anyCoordinator.Sample(s =>
        Assert.Equal(
            FrameVerdict.Stale,
            new RoundExchange(s.Rounds, s.Layout, isCoordinator: true).Classify(s.Any.Worker, s.Any.Frame, out _)));

    [Fact]
    public void In_a_mesh_every_slice_is_reduced_by_one_worker() => Gen.Select(_anyPeer, Gen.Int[1, 8]).Sample((s, workers) =>
    {
        var plan = s.Plan with { Workers = [.. Enumerable.Range(0, workers).Select(i => $"worker-{i}")] };
        var owned = Enumerable.Range(0, workers).SelectMany(self =>
        {
            var reduction = new RoundExchange(s.Rounds, s.Layout, isCoordinator: false);
            reduction.Begin(plan, self);
            reduction.Enter(s.Round.Number);
            return Enumerable.Range(0, s.Layout.Slices).Where(reduction.Owns);
        });
        Assert.Equal(s.ExchangedSlices, owned.Order());
    });

    [Fact]
    public void No_average_leaves_before_every_idle_worker_is_present() =>
        _any.Where(s => s.Owed.Any(o => o.Frame.Kind == FrameKind.Present)).Sample(s =>
        {
            var complete = new List<int>();
            foreach (var owed in s.Owed.OrderBy(o => o.Frame.Kind == FrameKind.Present))
            {
                Assert.Empty(complete);
                complete.AddRange(s.Arrive(owed));
            }
            Assert.NotEmpty(complete);
        });

    [Fact]
    public void Any_frame_of_an_older_generation_is_stale() =>
        Gen.Select(_any, Links.FrameGen.Header(Gen.Int), Gen.Int, Gen.Int[-1, 4]).Sample((s, frame, worker, generation) =>
        {
            var old = frame with { Generation = Math.Min(generation, s.Reduction.Generation - 1) };
            Assert.Equal(FrameVerdict.Stale, s.Classify((worker, old), out _));
            s.Reduction.Fence(s.Reduction.Generation + 1);
            Assert.Null(s.Reduction.Plan);
            Assert.Null(s.Reduction.Current);
            Assert.All(s.Owed, owed => Assert.Equal(FrameVerdict.Stale, s.Classify(owed, out _)));
        });

    [Fact]
    public void A_frame_of_an_older_round_is_stale() => _any.Where(s => s.Round.Number > 0).Sample(s =>
        Assert.Equal(FrameVerdict.Stale, s.Classify(s.Any with { Frame = s.Any.Frame with { Round = s.Round.Number - 1 } }, out _)));

    [Fact]
    public void To_a_coordinator_a_frame_of_a_later_round_or_generation_is_a_violation() =>
        Gen.Select(_anyCoordinator, Gen.Int[1, 1000]).Sample((s, ahead) =>
        {
            AssertViolation(s, s.Any.Worker, s.Any.Frame with { Round = s.Round.Number + ahead });
            AssertViolation(s, s.Any.Worker, s.Any.Frame with { Generation = s.Reduction.Generation + ahead });
        });

    [Fact]
    public void To_a_worker_a_frame_of_the_next_round_is_early_and_one_further_ahead_a_violation() =>
        Gen.Select(_anyPeer, Gen.Int[1, 1000]).Sample((s, ahead) =>
        {
            var later = s.Any.Frame with { Round = s.Round.Number + ahead };
            if (ahead == 1 && later.Round < s.Plan.EndRound) Assert.Equal(FrameVerdict.Early, s.Classify((s.Any.Worker, later), out _));
            else AssertViolation(s, s.Any.Worker, later);
        });

    [Fact]
    public void To_a_worker_any_frame_of_a_later_generation_is_early() =>
        Gen.Select(_anyPeer, Links.FrameGen.Header(Gen.Int), Gen.Int, Gen.Int[1, 1000]).Sample((s, frame, worker, ahead) =>
            // An average needs this worker, so that none can arrive before it.
            Assert.Equal(
                frame.Kind == FrameKind.Average ? FrameVerdict.Violation : FrameVerdict.Early,
                s.Classify((worker, frame with { Generation = s.Reduction.Generation + ahead }), out _)));

    [Fact]
    public void To_a_worker_a_frame_while_no_plan_is_in_force_is_early() => _anyPeer.Sample(s =>
    {
        var next = s.Any.Frame with { Generation = s.Reduction.Generation + 1 };
        s.Reduction.Fence(next.Generation);
        Assert.Equal(FrameVerdict.Early, s.Classify((s.Any.Worker, next), out _));
    });

    [Fact]
    public void An_early_frame_is_accepted_once_its_round_begins() => _anyPeer.Sample(s =>
    {
        var next = s.Any.Frame with { Generation = s.Reduction.Generation + 1 };
        s.Reduction.Fence(next.Generation);
        Assert.Equal(FrameVerdict.Early, s.Classify((s.Any.Worker, next), out _));
        s.Reduction.Begin(s.Plan with { Generation = next.Generation, FirstRound = s.Round.Number }, s.Self);
        Assert.Equal(FrameVerdict.Early, s.Classify((s.Any.Worker, next), out _));
        s.Reduction.Enter(s.Round.Number);
        Assert.Equal(FrameVerdict.Accept, s.Classify((s.Any.Worker, next), out _));
    });

    [Fact]
    public void A_process_outside_the_plan_has_nothing_to_send() =>
        Gen.Select(_any, Gen.Int).Where((s, index) => index < 0 || index >= s.Plan.Workers.Length)
        .Sample((s, index) => AssertViolation(s, index, s.Any.Frame));

    [Fact]
    public void Only_contributions_and_presence_belong_to_a_round() => Gen.Select(_any, Gen.Enum<FrameKind>()).Sample((s, kind) =>
    {
        if (kind is not (FrameKind.Contribution or FrameKind.Present)) AssertViolation(s, s.Any.Worker, s.Any.Frame with { Kind = kind });
    });

    [Fact]
    public void A_worker_may_send_only_nodes_of_its_own_cover() =>
        Gen.Select(_any, Gen.Int[-1, 11], Gen.Int[-1, 11]).Sample((s, first, count) =>
        {
            var (worker, frame) = s.AnyContribution;
            var node = new TreeNode(first, count);
            if (s.CoverOf(worker).Contains(node))
                Assert.Equal(FrameVerdict.Accept, s.Classify((worker, frame with { Node = node }), out _));
            else AssertViolation(s, worker, frame with { Node = node });
        });

    [Fact]
    public void Another_workers_contribution_is_a_violation() => _any.Where(s => s.Plan.Workers.Length > 1).Sample(s =>
        Assert.All(
            Enumerable.Range(0, s.Plan.Workers.Length).Where(w => w != s.AnyContribution.Worker),
            other => AssertViolation(s, other, s.AnyContribution.Frame)));

    [Fact]
    public void A_slice_not_exchanged_or_not_owned_here_is_a_violation() =>
        Gen.Select(_any, Gen.OneOf(Gen.Int, Gen.Int[-2, 6])).Sample((s, slice) =>
        {
            var (worker, frame) = s.AnyContribution;
            var length = slice >= 0 && slice < s.Layout.Slices ? s.LengthOf(slice) : frame.Length;
            var changed = frame with { Slice = slice, Length = length };
            if (!s.OwnedSlices.Contains(slice)) AssertViolation(s, worker, changed);
            else Assert.Equal(FrameVerdict.Accept, s.Classify((worker, changed), out _));
        });

    [Fact]
    public void A_wrong_length_is_a_violation() => Gen.Select(_any, Gen.Int[0, FrameHeader.MaxLength]).Sample((s, length) =>
    {
        if (length != s.Any.Frame.Length) AssertViolation(s, s.Any.Worker, s.Any.Frame with { Length = length });
    });

    [Fact]
    public void A_repeated_frame_is_a_violation() => _any.Sample(s =>
    {
        foreach (var owed in s.Owed)
        {
            s.Arrive(owed);
            AssertViolation(s, owed.Worker, owed.Frame);
        }
    });

    [Fact]
    public void Presence_from_a_worker_with_micro_batches_is_a_violation() => _any.Sample(s =>
        Assert.All(
            Enumerable.Range(0, s.Plan.Workers.Length).Where(w => s.CoverOf(w).Count > 0),
            worker => AssertViolation(s, worker, s.Presence)));

    [Fact]
    public void A_process_that_owns_no_slice_awaits_no_presence() => _anyProcess.Where(s => s.Owed.Count == 0).Sample(s =>
    {
        s.AssertCompleteWithAverages();
        Assert.All(Enumerable.Range(0, s.Plan.Workers.Length), worker => AssertViolation(s, worker, s.Presence));
    });

    [Fact]
    public void Refused_frames_change_nothing() => Gen.Select(_any, Links.FrameGen.Header(Gen.Int).Array[0, 20]).Sample((s, noise) =>
    {
        foreach (var frame in noise)
        {
            Assert.NotEqual(FrameVerdict.Accept, s.Classify((99, frame), out _));
            s.Classify((s.Any.Worker, frame), out _);
            AssertViolation(s, 99, frame with { Generation = s.Reduction.Generation, Round = s.Round.Number });
        }
        foreach (var owed in s.Owed)
        {
            Assert.Equal(FrameVerdict.Accept, s.Classify(owed, out _));
            s.Arrive(owed);
        }
        s.AssertCompleteWithAverages();
    });

    [Fact]
    public void A_contribution_that_is_not_awaited_cannot_arrive() => _any.Sample(s =>
    {
        var (worker, frame) = s.AnyContribution;
        s.Reduction.Fence(s.Reduction.Generation + 1);
        Assert.Throws<InvalidOperationException>(() => s.Reduction.Arrive(worker, frame.Node, frame.Slice, out _).Length);
    });

    [Fact]
    public void A_fence_restarts_the_round_with_the_remaining_workers() => Gen.Select(_any, Gen.Int[0, 100]).Sample((s, arrived) =>
    {
        foreach (var owed in s.Owed.Take(arrived % s.Owed.Count)) s.Arrive(owed);
        var generation = s.Reduction.Generation + 1;
        s.Reduction.Fence(generation);
        Assert.Throws<InvalidOperationException>(() => s.Reduction.Fence(generation));
        s.Begin(s.Plan with { Generation = generation, FirstRound = s.Round.Number, Workers = ["newcomer"] }, Math.Min(s.Self, 0));
        foreach (var owed in s.Owed)
        {
            Assert.Equal(FrameVerdict.Accept, s.Classify(owed, out _));
            s.Arrive(owed);
        }
        s.AssertCompleteWithAverages();
    });

    [Fact]
    public void An_invalid_plan_or_round_throws() => _any.Sample(s =>
    {
        var reduction = s.Reduction;
        Assert.Throws<InvalidOperationException>(() => reduction.Begin(s.Plan with { Generation = reduction.Generation - 1 }, s.Self));
        Assert.Throws<InvalidOperationException>(() => reduction.Begin(s.Plan, s.Self == Plan.Coordinator ? 0 : Plan.Coordinator));
        Assert.Throws<InvalidOperationException>(() => reduction.Begin(s.Plan, s.Plan.Workers.Length));
        Assert.Throws<InvalidOperationException>(() => reduction.Enter(s.Plan.EndRound + 1));
        Assert.Throws<InvalidOperationException>(() => reduction.Enter(s.Plan.FirstRound - 1));
        reduction.Enter(s.Plan.EndRound);
        Assert.Null(reduction.Current);
        Assert.False(reduction.IsComplete);
        reduction.Fence(reduction.Generation + 1);
        Assert.Throws<InvalidOperationException>(() => reduction.Enter(s.Round.Number));
    });

    [Fact]
    public void A_round_allocates_nothing() => _any.Sample(s =>
    {
        var (reduction, owed) = (s.Reduction, s.Owed.ToArray());
        var before = 0L;
        // The first pass may grow buffers.
        for (var pass = 0; pass < 3; pass++)
        {
            if (pass == 1) before = GC.GetAllocatedBytesForCurrentThread();
            reduction.Enter(s.Round.Number);
            foreach (var (worker, frame) in owed)
            {
                reduction.Classify(worker, frame, out _);
                reduction.Classify(worker, frame with { Round = frame.Round - 1 }, out _);
                if (frame.Kind == FrameKind.Present) reduction.ArrivePresent(worker);
                else reduction.Arrive(worker, frame.Node, frame.Slice, out _);
                while (reduction.TryNextComplete(out _)) continue;
            }
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        s.AssertCompleteWithAverages();
    });

    private static void AssertViolation(RoundSituation s, int worker, FrameHeader frame)
    {
        Assert.Equal(FrameVerdict.Violation, s.Classify((worker, frame), out var why));
        Assert.NotEmpty(why);
    }
}
