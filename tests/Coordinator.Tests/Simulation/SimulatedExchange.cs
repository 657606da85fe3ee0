using Distributed.Core.Reduction;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>The product's all-reduce of a round with simulated sums.</summary>
internal sealed class SimulatedExchange(ClusterSimulation cluster, bool isCoordinator = false)
{
    private readonly SimulatedSums _sums = new();

    public RoundExchange Rounds { get; } = new(cluster.Rounds, SimulatedVectors.Layout, isCoordinator, cluster.IsBfloat16);

    /// <summary>The slices of the round's average that are here.</summary>
    public SortedDictionary<int, long> Average { get; } = [];

    /// <summary>Number of a worker in the plan in force.</summary>
    public int IndexOf(string worker) => Rounds.Plan is { } plan && plan.Includes(worker) ? plan.IndexOf(worker) : int.MaxValue;

    public void Enter(long round)
    {
        Rounds.Enter(round);
        _sums.Values.Clear();
        Average.Clear();
    }

    public FrameVerdict Classify(int sender, FrameHeader frame)
    {
        var verdict = Rounds.Classify(sender, frame, out var why);
        // Two coordinators may give two plans the same number.
        Assert.True(verdict != FrameVerdict.Violation || cluster.HadTwo, why);
        return verdict;
    }

    /// <returns>The slices of the average that are due to the others now.</returns>
    public List<(int Slice, long Sum)> Take(int sender, FrameHeader frame, long value)
    {
        switch (frame.Kind)
        {
            case FrameKind.Average:
                Rounds.ArriveAverage(frame.Slice);
                Average.Add(frame.Slice, value);
                break;
            case FrameKind.Present:
                Rounds.ArrivePresent(sender);
                break;
            default:
                _sums.Values[(frame.Node.First, frame.Slice)] = value;
                foreach (var merge in Rounds.Arrive(sender, frame.Node, frame.Slice, out _)) _sums.Add(merge, frame.Slice);
                break;
        }
        var complete = new List<(int, long)>();
        while (Rounds.TryNextComplete(out var slice))
        {
            complete.Add((slice, _sums.Values[(0, slice)]));
            Average.Add(slice, _sums.Values[(0, slice)]);
        }
        return complete;
    }
}
