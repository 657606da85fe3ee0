using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;

namespace Distributed.Shared.Tests.Protocol;

public sealed class StarReductionTests
{
    private static readonly Gen<Situation> _any =
        from micro in Gen.Int[1, 10]
        from steps in Gen.Int[1, 3]
        from test in Gen.OneOfConst(0, 1, 300)
        from floats in Gen.OneOfConst(0, 3, VectorLayout.SliceFloats + 1)
        from workers in Gen.Int[1, 6]
        from generation in Gen.Int[1, 5]
        from done in Gen.Int[0, steps]
        from seed in Gen.Int
        select new Situation(new(steps * 10, test, 1, 10, micro), new(floats, 2), workers, generation, done, seed);

    [Fact]
    public void Every_frame_that_is_owed_is_accepted_in_any_order_and_completes_the_round() => _any.Sample(s =>
    {
        var (before, complete) = (s.Star.Completed, new List<int>());
        for (var i = 0; i < s.Owed.Count; i++)
        {
            Assert.Equal(FrameVerdict.Accept, s.Judge(s.Owed[i], out var why));
            Assert.Empty(why);
            Assert.Equal(i == s.Owed.Count - 1, s.Arrive(s.Owed[i], complete));
        }
        Assert.Equal(before + 1, s.Star.Completed);
        var first = s.Layout.FirstSlice(s.Round.Kind);
        Assert.Equal(Enumerable.Range(first, s.Layout.Slices - first), complete.Order());
    });

    [Fact]
    public void No_average_leaves_before_every_idle_worker_is_present() => _any.Where(s => s.Idle.Count > 0).Sample(s =>
    {
        var complete = new List<int>();
        foreach (var owed in s.Owed.OrderBy(o => o.Frame.Kind == FrameKind.Present))
        {
            Assert.Empty(complete);
            s.Arrive(owed, complete);
        }
        Assert.NotEmpty(complete);
    });

    [Fact]
    public void A_frame_of_an_older_generation_is_stale_whatever_else_it_says() =>
        Gen.Select(_any, Links.FrameGen.Header(Gen.Int), Gen.Int[-1, 4]).Sample((s, frame, generation) =>
        {
            var old = frame with { Generation = Math.Min(generation, s.Star.Generation - 1) };
            Assert.Equal(FrameVerdict.Stale, s.Judge(("anybody", old), out _));
            s.Star.Fence(s.Star.Generation + 1);
            Assert.All(s.Owed, owed => Assert.Equal(FrameVerdict.Stale, s.Judge(owed, out _)));
        });

    [Fact]
    public void A_frame_of_an_older_round_is_stale() => _any.Where(s => s.Round.Number > 0).Sample(s =>
        Assert.Equal(FrameVerdict.Stale, s.Judge(s.Any with { Frame = s.Any.Frame with { Round = s.Round.Number - 1 } }, out _)));

    [Fact]
    public void A_frame_of_a_later_round_or_generation_is_a_violation() => Gen.Select(_any, Gen.Int[1, 1000]).Sample((s, ahead) =>
    {
        AssertViolation(s, s.Any.Worker, s.Any.Frame with { Round = s.Round.Number + ahead });
        AssertViolation(s, s.Any.Worker, s.Any.Frame with { Generation = s.Star.Generation + ahead });
    });

    [Fact]
    public void A_frame_while_no_plan_is_in_force_is_a_violation() => _any.Sample(s =>
    {
        var next = s.Any.Frame with { Generation = s.Star.Generation + 1 };
        s.Star.Fence(next.Generation);
        AssertViolation(s, s.Any.Worker, next);
    });

    [Fact]
    public void A_stranger_has_nothing_to_send() => Gen.Select(_any, Gen.String).Where((s, name) => !s.Plan.Includes(name)).Sample((s, name) =>
        AssertViolation(s, name, s.Any.Frame));

    [Fact]
    public void Only_contributions_and_presence_make_a_round() => Gen.Select(_any, Gen.Enum<FrameKind>()).Sample((s, kind) =>
    {
        if (kind is not (FrameKind.Contribution or FrameKind.Present)) AssertViolation(s, s.Any.Worker, s.Any.Frame with { Kind = kind });
    });

    [Fact]
    public void Only_nodes_of_a_workers_own_cover_are_its_to_send() =>
        Gen.Select(_any, Gen.Int[-1, 11], Gen.Int[-1, 11]).Sample((s, first, count) =>
        {
            var (worker, frame) = s.AnyContribution;
            var node = new TreeNode(first, count);
            if (s.CoverOf(worker).Contains(node)) Assert.Equal(FrameVerdict.Accept, s.Judge((worker, frame with { Node = node }), out _));
            else AssertViolation(s, worker, frame with { Node = node });
        });

    [Fact]
    public void Another_workers_contribution_is_a_violation() => _any.Where(s => s.Plan.Workers.Length > 1).Sample(s =>
        Assert.All(s.Plan.Workers.Remove(s.AnyContribution.Worker), other => AssertViolation(s, other, s.AnyContribution.Frame)));

    [Fact]
    public void A_slice_that_the_round_does_not_exchange_is_a_violation() => Gen.Select(_any, Gen.OneOf(Gen.Int, Gen.Int[-2, 4])).Sample((s, slice) =>
    {
        var (worker, frame) = s.AnyContribution;
        var exchanged = slice >= s.Layout.FirstSlice(s.Round.Kind) && slice < s.Layout.Slices;
        var length = exchanged ? s.Layout.BytesOf(slice).Length : frame.Length;
        if (!exchanged) AssertViolation(s, worker, frame with { Slice = slice });
        else Assert.Equal(FrameVerdict.Accept, s.Judge((worker, frame with { Slice = slice, Length = length }), out _));
    });

    [Fact]
    public void Another_length_than_the_slices_is_a_violation() => Gen.Select(_any, Gen.Int[0, FrameHeader.MaxLength]).Sample((s, length) =>
    {
        if (length != s.Any.Frame.Length) AssertViolation(s, s.Any.Worker, s.Any.Frame with { Length = length });
    });

    [Fact]
    public void A_contribution_that_comes_twice_is_a_violation() => _any.Where(s => s.Owed.Count > 1).Sample(s =>
    {
        foreach (var owed in s.Owed.SkipLast(1))
        {
            s.Arrive(owed, []);
            if (owed.Frame.Kind == FrameKind.Contribution) AssertViolation(s, owed.Worker, owed.Frame);
        }
    });

    [Fact]
    public void A_worker_with_micro_batches_cannot_say_that_it_is_merely_present() => _any.Sample(s =>
        Assert.All(s.Plan.Workers.Except(s.Idle), worker => AssertViolation(s, worker, s.Presence)));

    [Fact]
    public void Refused_frames_change_nothing() => Gen.Select(_any, Links.FrameGen.Header(Gen.Int).Array[0, 20]).Sample((s, noise) =>
    {
        foreach (var frame in noise)
        {
            Assert.NotEqual(FrameVerdict.Accept, s.Judge(("stranger", frame), out _));
            s.Judge((s.Any.Worker, frame), out _);
            AssertViolation(s, "stranger", frame with { Generation = s.Star.Generation, Round = s.Round.Number });
        }
        foreach (var owed in s.Owed)
        {
            Assert.Equal(FrameVerdict.Accept, s.Judge(owed, out _));
            s.Arrive(owed, []);
        }
        Assert.Equal(s.Round.Number + 1, s.Star.Completed);
    });

    [Fact]
    public void A_fence_takes_the_round_up_anew_with_the_workers_that_are_left() => Gen.Select(_any, Gen.Int[0, 100]).Sample((s, arrived) =>
    {
        foreach (var owed in s.Owed.Take(arrived % s.Owed.Count)) s.Arrive(owed, []);
        var generation = s.Star.Generation + 1;
        Assert.Equal(s.Round.Number, s.Star.Fence(generation));
        Assert.Throws<InvalidOperationException>(() => s.Star.Fence(generation));
        s.Begin(new(generation, s.Round.Number, s.Plan.EndRound, ["newcomer"]));
        foreach (var owed in s.Owed)
        {
            Assert.Equal(FrameVerdict.Accept, s.Judge(owed, out _));
            s.Arrive(owed, []);
        }
        Assert.Equal(s.Round.Number + 1, s.Star.Completed);
    });

    [Fact]
    public void A_plan_that_does_not_fit_is_a_mistake() => _any.Sample(s =>
    {
        var star = s.Star;
        Assert.Throws<InvalidOperationException>(() => star.Begin(s.Plan with { Generation = star.Generation + 1 }));
        Assert.Throws<InvalidOperationException>(() => star.Begin(s.Plan with { FirstRound = star.Completed + 1 }));
    });

    private static void AssertViolation(Situation s, string worker, FrameHeader frame)
    {
        Assert.Equal(FrameVerdict.Violation, s.Judge((worker, frame), out var why));
        Assert.NotEmpty(why);
    }

    /// <summary>A reducer in the middle of a job, and what its workers owe it in the round in progress.</summary>
    private sealed class Situation
    {
        private readonly Random _random;

        public Situation(Rounds rounds, VectorLayout layout, int workers, int generation, int done, int seed)
        {
            (Layout, Star, _random) = (layout, new(rounds, layout), new(seed));
            Star.Fence(generation);
            Begin(new(generation, 0, rounds.Count, [.. Enumerable.Range(0, workers).Select(i => $"worker-{i}")]));
            for (var i = 0; i < Math.Min(done, rounds.Count - 1); i++)
            {
                foreach (var owed in Owed) Arrive(owed, []);
                Owe();
            }
        }

        public StarReduction Star { get; }

        public VectorLayout Layout { get; }

        public Plan Plan { get; private set; } = null!;

        public Round Round { get; private set; }

        /// <summary>In random order.</summary>
        public IReadOnlyList<(string Worker, FrameHeader Frame)> Owed { get; private set; } = [];

        public (string Worker, FrameHeader Frame) Any => Owed[0];

        public (string Worker, FrameHeader Frame) AnyContribution => Owed.First(o => o.Frame.Kind == FrameKind.Contribution);

        /// <summary>The workers without micro-batches.</summary>
        public IReadOnlyList<string> Idle => [.. Plan.Workers.Where(w => CoverOf(w).Count == 0)];

        public List<TreeNode> CoverOf(string worker) => new ReductionTree(Round.MicroBatches).Cover(Plan.RangeOf(worker, Round.MicroBatches));

        public FrameHeader Presence => new(FrameKind.Present, 1, Plan.Generation, Round.Number, 0, default, 0);

        public void Begin(Plan plan)
        {
            Star.Begin(Plan = plan);
            Owe();
        }

        public FrameVerdict Judge((string Worker, FrameHeader Frame) sent, out string why) => Star.Judge(sent.Worker, sent.Frame, out why);

        public bool Arrive((string Worker, FrameHeader Frame) sent, List<int> complete) =>
            Star.Arrive(sent.Worker, sent.Frame, default(NoNumbers), complete);

        public override string ToString() => $"{Plan.Workers.Length} workers, {Round}, {Layout}, owed {string.Join(", ", Owed)}";

        private void Owe()
        {
            Round = Star.Current!.Value;
            var owed = Plan.Workers.SelectMany(OwedBy).ToArray();
            _random.Shuffle(owed);
            Owed = owed;
        }

        private IEnumerable<(string, FrameHeader)> OwedBy(string worker)
        {
            var (cover, first) = (CoverOf(worker), Layout.FirstSlice(Round.Kind));
            if (cover.Count == 0) return [(worker, Presence)];
            return cover.SelectMany(_ => Enumerable.Range(first, Layout.Slices - first), (node, slice) =>
                (worker, new FrameHeader(FrameKind.Contribution, 1, Plan.Generation, Round.Number, slice, node, Layout.BytesOf(slice).Length)));
        }
    }

    private readonly struct NoNumbers : IContributionSums
    {
        public void Add(int into, int from, int slice) { }
    }
}
