using System.Collections.Immutable;

namespace Distributed.Coordinator.Chaos;

/// <summary>A worker that is running, as far as faults are concerned.</summary>
/// <param name="TakesPart">Whether it has had a part in a plan, and so holds the parameters.</param>
/// <param name="IsLeaving">Whether it was asked to leave.</param>
internal sealed record ChaosCandidate(string Name, bool TakesPart, bool IsFrozen = false, bool IsLeaving = false);

internal static class ChaosVictim
{
    /// <summary>With fewer running workers than these, another one is started.</summary>
    public const int MinLive = 2;

    /// <summary>The workers that neither stand still nor leave.</summary>
    public static int Live(IEnumerable<ChaosCandidate> workers) => workers.Count(IsLive);

    /// <summary>
    /// The worker that a fault hits; null while none may be hit. Whoever is killed or frozen leaves one behind that holds the
    /// parameters; whoever leaves alone with them waits for another by itself. Only who takes part can stand still in the middle
    /// of it, or leave it in good order.
    /// </summary>
    /// <param name="seed">What the choice is drawn by.</param>
    /// <param name="fault">The fault's number, for another draw each time.</param>
    public static string? Choose(ChaosKind kind, IEnumerable<ChaosCandidate> workers, long seed, int fault)
    {
        ImmutableArray<ChaosCandidate> live = [.. workers.Where(IsLive).OrderBy(worker => worker.Name, StringComparer.Ordinal)];
        ImmutableArray<ChaosCandidate> holders = [.. live.Where(worker => worker.TakesPart)];
        if (holders.Length < (kind == ChaosKind.Drain ? 1 : 2)) return null;
        var candidates = kind == ChaosKind.KillWorker ? live : holders;
        return candidates[ChaosDraw.Victim(seed, fault, candidates.Length)].Name;
    }

    private static bool IsLive(ChaosCandidate worker) => !worker.IsFrozen && !worker.IsLeaving;
}
