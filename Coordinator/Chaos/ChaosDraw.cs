using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Coordinator.Chaos;

internal static class ChaosDraw
{
    private const int MaxFreezeUnits = 20;

    /// <summary>Each kind as often as it is likely: a restart takes the longest.</summary>
    private static readonly ImmutableArray<ChaosKind> _likely =
    [
        ChaosKind.KillWorker, ChaosKind.KillWorker, ChaosKind.KillWorker, ChaosKind.FreezeWorker, ChaosKind.FreezeWorker,
        ChaosKind.Drain, ChaosKind.Drain, ChaosKind.Join, ChaosKind.Join, ChaosKind.RestartCoordinator,
    ];

    private static readonly TimeSpan _freezeUnit = TimeSpan.FromMilliseconds(100);
    private enum Use { Step, Kind, Freeze, Replacement, Victim }

    /// <returns>0 to <paramref name="count"/> - 1.</returns>
    public static int Victim(long seed, int fault, int count) => Below(count, seed, fault, Use.Victim);

    /// <summary>
    /// Draws one fault in each of <paramref name="count"/> equal stretches of the job. About half of the kills come with a join at the same
    /// step, which is not counted, unless the victim is replaced anyway.
    /// </summary>
    /// <param name="count">1 to <paramref name="steps"/>.</param>
    /// <param name="workers">Workers that the job begins with; their number stays near it.</param>
    public static ImmutableArray<ChaosFault> Faults(long seed, int count, long steps, int workers)
    {
        var faults = ImmutableArray.CreateBuilder<ChaosFault>();
        // A new worker takes seconds to take part, and faults wait for it: late ones would miss the end of the job.
        var last = Math.Max(count, steps / 2);
        var live = workers;
        for (var i = 0; i < count; i++)
        {
            var (begin, end) = (last * i / count, last * (i + 1) / count);
            var step = 1 + begin + (long)Math.BigMul(Mix(seed, i, Use.Step), (ulong)(end - begin), out _);
            var kinds = live > workers ? _likely.RemoveAll(kind => kind == ChaosKind.Join) : _likely;
            var kind = kinds[Below(kinds.Length, seed, i, Use.Kind)];
            var freeze = kind == ChaosKind.FreezeWorker ? _freezeUnit * (1 + Below(MaxFreezeUnits, seed, i, Use.Freeze)) : default;
            faults.Add(new(kind, step, freeze));
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

/// <summary>A running worker of a chaos check.</summary>
/// <param name="TakesPart">Whether it was in a plan, and so holds the parameters.</param>
/// <param name="IsLeaving">Whether it was asked to leave.</param>
internal sealed record ChaosCandidate(string Name, bool TakesPart, bool IsFrozen = false, bool IsLeaving = false)
{
    public bool IsLive => !IsFrozen && !IsLeaving;
}

internal static class ChaosVictim
{
    public const int MinLive = 2; // With fewer live workers, another one is started

    /// <summary>
    /// The worker that a fault hits; null if there is no suitable one yet. A kill or a freeze leaves another worker that holds the
    /// parameters; a worker that is asked to leave waits by itself until another holds them. Only a worker that takes part can be frozen
    /// or drained.
    /// </summary>
    /// <param name="fault">Number of the fault, for another draw each time.</param>
    public static string? Choose(ChaosKind kind, IEnumerable<ChaosCandidate> workers, long seed, int fault)
    {
        ImmutableArray<ChaosCandidate> live =
            [.. workers.Where(worker => worker.IsLive).OrderBy(worker => worker.Name, StringComparer.Ordinal)];
        ImmutableArray<ChaosCandidate> holders = [.. live.Where(worker => worker.TakesPart)];
        if (holders.Length < (kind == ChaosKind.Drain ? 1 : 2)) return null;
        var candidates = kind == ChaosKind.KillWorker ? live : holders;
        return candidates[ChaosDraw.Victim(seed, fault, candidates.Length)].Name;
    }
}
