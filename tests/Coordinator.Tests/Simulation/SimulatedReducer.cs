using Distributed.Core.Reduction;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>A real reduction with simulated sums.</summary>
internal sealed class SimulatedReducer(SliceReduction slices, ClusterSimulation cluster)
{
    private readonly SimulatedSums _sums = new();

    public SliceReduction Slices => slices;

    public int IndexOf(string worker) => slices.Plan is { } plan && plan.Includes(worker) ? plan.IndexOf(worker) : -1;

    public void Enter(long round)
    {
        slices.Enter(round);
        _sums.Values.Clear();
    }

    public FrameVerdict Judge(int worker, FrameHeader frame)
    {
        var verdict = slices.Judge(worker, frame, out var why);
        // Two coordinators may give two plans the same number.
        Assert.True(verdict != FrameVerdict.Violation || cluster.HadTwo, why);
        return verdict;
    }

    /// <returns>The slices that are complete now, with their sums.</returns>
    public List<(int Slice, long Sum)> Take(int worker, FrameHeader frame, long value)
    {
        if (frame.Kind == FrameKind.Present)
        {
            slices.ArrivePresent(worker);
        }
        else
        {
            _sums.Values[(frame.Node.First, frame.Slice)] = value;
            foreach (var merge in slices.Arrive(worker, frame.Node, frame.Slice, out _)) _sums.Add(merge, frame.Slice);
        }
        var complete = new List<(int, long)>();
        while (slices.TryNextComplete(out var slice)) complete.Add((slice, _sums.Values[(0, slice)]));
        return complete;
    }
}
