using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Coordinator.Chaos;

internal static class ChaosDraw
{
    private const int MaxFreezeUnits = 20;

    /// <summary>Each kind as often as it is likely: a restart takes the longest.</summary>
    private static readonly ImmutableArray<ChaosKind> _likely =
    [
        ChaosKind.KillWorker, ChaosKind.KillWorker, ChaosKind.KillWorker,
        ChaosKind.FreezeWorker, ChaosKind.FreezeWorker,
        ChaosKind.Drain, ChaosKind.Drain,
        ChaosKind.Join, ChaosKind.Join,
        ChaosKind.RestartCoordinator,
    ];

    private static readonly TimeSpan _freezeUnit = TimeSpan.FromMilliseconds(100);

    private enum Use { Step, Kind, Freeze, Replacement, Victim }

    /// <summary>One of 0 to <paramref name="count"/> - 1: whom the fault of this number hits.</summary>
    public static int Victim(long seed, int fault, int count) => Below(count, seed, fault, Use.Victim);

    /// <summary>
    /// Faults spread over a job, one in each of as many equal stretches. About half of the kills come with a join at the same step,
    /// which is not counted, where nobody else would be started in the victim's place.
    /// </summary>
    /// <param name="seed">Same seed, same faults.</param>
    /// <param name="count">How many, at least 1 and at most <paramref name="steps"/>.</param>
    /// <param name="workers">Workers that the job begins with, which their number stays near.</param>
    public static ImmutableArray<ChaosFault> Faults(long seed, int count, long steps, int workers)
    {
        var faults = ImmutableArray.CreateBuilder<ChaosFault>();
        // A newcomer takes seconds to take part, and faults wait for it: at the end there would be no job left to disturb.
        var last = Math.Max(count, steps / 2);
        var live = workers;
        for (var i = 0; i < count; i++)
        {
            var (begin, end) = (last * i / count, last * (i + 1) / count);
            var step = 1 + begin + (long)Math.BigMul(Mix(seed, i, Use.Step), (ulong)(end - begin), out _);
            var kinds = live > workers ? _likely.RemoveAll(kind => kind == ChaosKind.Join) : _likely;
            var kind = kinds[Below(kinds.Length, seed, i, Use.Kind)];
            faults.Add(new(kind, step, kind == ChaosKind.FreezeWorker ? _freezeUnit * (1 + Below(MaxFreezeUnits, seed, i, Use.Freeze)) : default));
            if (kind == ChaosKind.Join) live++;
            if (kind is not (ChaosKind.KillWorker or ChaosKind.Drain)) continue;
            live--;
            var isReplaced = live < ChaosVictim.MinLive;
            var isJoined = !isReplaced && kind == ChaosKind.KillWorker && Below(2, seed, i, Use.Replacement) == 1;
            if (isJoined) faults.Add(new(ChaosKind.Join, step));
            if (isReplaced || isJoined) live++;
        }
        return faults.ToImmutable();
    }

    private static int Below(int count, long seed, int fault, Use use) => (int)Math.BigMul(Mix(seed, fault, use), (ulong)count, out _);

    private static ulong Mix(long seed, int fault, Use use) => Permutation.Mix(seed, fault, (long)use);
}
