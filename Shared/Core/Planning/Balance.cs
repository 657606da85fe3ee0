using System.Collections.Immutable;

namespace Distributed.Core.Planning;

/// <summary>How many micro-batches each worker should compute, so that none makes the others wait. Moves work, and so no bit of the result.</summary>
public static class Balance
{
    /// <summary>The shares with which the last worker is done the soonest; of several such, those that leave the others the least to do.</summary>
    /// <param name="microBatches">Micro-batches of a step, at least 1.</param>
    /// <param name="seconds">What a micro-batch takes on each worker, above 0.</param>
    /// <returns>Micro-batches of each worker; some may be 0.</returns>
    public static ImmutableArray<int> FastestShares(int microBatches, IReadOnlyList<double> seconds)
    {
        var shares = new int[seconds.Count];
        var next = new PriorityQueue<int, (double, int)>(seconds.Select((s, worker) => (worker, (s, worker))));
        // Whoever would be done the soonest with one more gets it; no exchange between two can improve on that.
        for (var i = 0; i < microBatches; i++)
        {
            var worker = next.Dequeue();
            shares[worker]++;
            next.Enqueue(worker, ((shares[worker] + 1) * seconds[worker], worker));
        }
        return [.. shares];
    }

    /// <summary>How long the computing of a step takes: as long as the last worker's.</summary>
    public static double Makespan(ImmutableArray<int> shares, IReadOnlyList<double> seconds) => shares.Select((share, worker) => share * seconds[worker]).Max();
}
