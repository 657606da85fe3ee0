using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>A process in the middle of a job, and the frames that the workers owe it in the round in progress.</summary>
internal sealed class RoundSituation
{
    private readonly Random _random;
    private readonly bool _isBfloat16;

    public RoundSituation(Rounds rounds, VectorLayout layout, bool isBfloat16, int workers, int self, int generation, int done, int seed)
    {
        (Rounds, Layout, _isBfloat16, _random) = (rounds, layout, isBfloat16, new(seed));
        Reduction = new(rounds, layout, self == Plan.Coordinator, isBfloat16);
        Reduction.Fence(generation);
        Begin(new(generation, 0, rounds.Count, [.. Enumerable.Range(0, workers).Select(i => $"worker-{i}")],
            self == Plan.Coordinator ? Topology.Star : Topology.Mesh), self);
        for (var i = 0; i < Math.Min(done, rounds.Count - 1); i++)
        {
            foreach (var owed in Owed) Arrive(owed);
            Enter(Reduction.Round + 1);
        }
    }

    public RoundExchange Reduction { get; }
    public Rounds Rounds { get; }
    public VectorLayout Layout { get; }
    public Plan Plan { get; private set; } = null!;
    public int Self { get; private set; }
    public Round Round { get; private set; }

    /// <summary>In random order.</summary>
    public IReadOnlyList<(int Worker, FrameHeader Frame)> Owed { get; private set; } = [];

    public (int Worker, FrameHeader Frame) Any => Owed[0];

    public (int Worker, FrameHeader Frame) AnyContribution => Owed.First(o => o.Frame.Kind == FrameKind.Contribution);

    public IEnumerable<int> ExchangedSlices => Enumerable.Range(0, Layout.Slices).Skip(Layout.FirstSlice(Round.Kind));

    public IEnumerable<int> OwnedSlices => ExchangedSlices.Where(slice => Plan.OwnerOf(slice) == Self);

    public FrameHeader Presence => new(FrameKind.Present, 1, Plan.Generation, Round.Number, 0, default, 0);

    public List<TreeNode> CoverOf(int worker) => new ReductionTree(Round.MicroBatches).Cover(Plan.RangeOf(worker, Round.MicroBatches));

    public int LengthOf(int slice) => Layout.WireBytesOf(slice, _isBfloat16);

    public void Begin(Plan plan, int self)
    {
        (Plan, Self) = (plan, self);
        Reduction.Begin(plan, self);
        Enter(plan.FirstRound);
    }

    public FrameVerdict Classify((int Worker, FrameHeader Frame) sent, out string why) =>
        Reduction.Classify(sent.Worker, sent.Frame, out why);

    /// <returns>The slices that are complete now.</returns>
    public List<int> Arrive((int Worker, FrameHeader Frame) sent)
    {
        if (sent.Frame.Kind == FrameKind.Present) Reduction.ArrivePresent(sent.Worker);
        else Reduction.Arrive(sent.Worker, sent.Frame.Node, sent.Frame.Slice, out _);
        var complete = new List<int>();
        while (Reduction.TryNextComplete(out var slice)) complete.Add(slice);
        return complete;
    }

    /// <summary>Delivers the averages of slices that others own, each once; the round is complete then.</summary>
    public void AssertCompleteWithAverages()
    {
        foreach (var slice in ExchangedSlices.Except(OwnedSlices))
        {
            Assert.False(Reduction.IsComplete);
            var average = new FrameHeader(FrameKind.Average, 1, Plan.Generation, Round.Number, slice, default, LengthOf(slice));
            foreach (var other in Enumerable.Range(-1, Plan.Workers.Length + 2).Where(other => other != Plan.OwnerOf(slice)))
                Assert.Equal(FrameVerdict.Violation, Classify((other, average), out _));
            Assert.Equal(FrameVerdict.Accept, Classify((Plan.OwnerOf(slice), average), out _));
            Reduction.ArriveAverage(slice);
            Assert.Equal(FrameVerdict.Violation, Classify((Plan.OwnerOf(slice), average), out _));
        }
        Assert.True(Reduction.IsComplete);
    }

    public override string ToString() => $"{Self} of {Plan.Workers.Length} workers, {Round}, {Layout}, owed {string.Join(", ", Owed)}";

    private void Enter(long round)
    {
        Reduction.Enter(round);
        Round = Reduction.Current!.Value;
        Assert.Equal(Plan.RoundAt(Rounds, round), Round);
        var owed = Enumerable.Range(0, Plan.Workers.Length).SelectMany(OwedBy).ToArray();
        _random.Shuffle(owed);
        Owed = owed;
    }

    private IEnumerable<(int, FrameHeader)> OwedBy(int worker)
    {
        if (!OwnedSlices.Any()) return [];
        var cover = CoverOf(worker);
        if (cover.Count == 0) return worker == Self ? [] : [(worker, Presence)];
        return cover.SelectMany(_ => OwnedSlices, (node, slice) =>
            (worker, new FrameHeader(FrameKind.Contribution, 1, Plan.Generation, Round.Number, slice, node, LengthOf(slice))));
    }
}
