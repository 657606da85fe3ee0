using System.Collections.Immutable;

namespace Distributed.Core.Planning;

/// <summary>Distributes micro-batches over workers of different speed. Moves work only, so no bit of the result changes.</summary>
public static class Balance
{
    /// <summary>Finds the shares with the smallest makespan, and among those the ones that leave the other workers the least to
    /// do.</summary>
    /// <param name="microBatches">Micro-batches of a step, at least 1.</param>
    /// <param name="seconds">Seconds that each worker takes for a micro-batch, above 0.</param>
    /// <returns>Micro-batches of each worker, 0 or more.</returns>
    public static ImmutableArray<int> FastestShares(int microBatches, IReadOnlyList<double> seconds)
    {
        var shares = new int[seconds.Count];
        var next = new PriorityQueue<int, (double, int)>(seconds.Select((s, worker) => (worker, (s, worker))));
        // The worker that would finish first with one more micro-batch gets it; no exchange between two workers can improve on that.
        for (var i = 0; i < microBatches; i++)
        {
            var worker = next.Dequeue();
            shares[worker]++;
            next.Enqueue(worker, ((shares[worker] + 1) * seconds[worker], worker));
        }
        return [.. shares];
    }

    /// <summary>Seconds until the last worker has computed its share.</summary>
    /// <param name="shares">Micro-batches of each worker; not empty.</param>
    /// <param name="seconds">Seconds that each worker takes for a micro-batch.</param>
    public static double Makespan(ImmutableArray<int> shares, IReadOnlyList<double> seconds) =>
        shares.Select((share, worker) => share * seconds[worker]).Max();
}
