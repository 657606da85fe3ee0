namespace Distributed.Core.Planning;

/// <summary>Seeded random numbers that are the same on every machine and in every version of .NET.</summary>
public static class Permutation
{
    /// <summary>The order in which an epoch uses the training samples: a Fisher–Yates shuffle (Knuth, TAOCP 2, 3.4.2) that depends on
    /// the seed and the epoch alone.</summary>
    /// <param name="count">Number of samples, 0 or more.</param>
    /// <param name="seed">The job's seed.</param>
    /// <param name="epoch">0-based epoch.</param>
    /// <returns>Each of 0..<paramref name="count"/>-1 once.</returns>
    public static int[] Of(int count, long seed, int epoch)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++) order[i] = i;
        var random = Mix(seed, epoch, 0);
        for (var i = count - 1; i > 0; i--)
        {
            // The multiply-shift bound is biased by less than 2^-32 for any count that fits an int.
            var j = (int)Math.BigMul(Next(ref random), (ulong)i + 1, out _);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }

    /// <summary>A 64-bit seed for one use of randomness. Different numbers give unrelated seeds.</summary>
    /// <param name="seed">The job's seed.</param>
    /// <param name="first">First number that names the use; of a micro-batch its step.</param>
    /// <param name="second">Second number that names the use; of a micro-batch its id.</param>
    public static ulong Mix(long seed, long first, long second)
    {
        var state = (ulong)seed;
        state = Next(ref state) ^ (ulong)first;
        state = Next(ref state) ^ (ulong)second;
        return Next(ref state);
    }

    // One step of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    private static ulong Next(ref ulong state)
    {
        state += 0x9e3779b97f4a7c15;
        var z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
}
