namespace Distributed.Coordinator.Chaos;

/// <summary>What can be done to a cluster that trains.</summary>
internal enum ChaosKind
{
    KillWorker,
    /// <summary>All workers are killed at once, and as many started.</summary>
    KillAllWorkers,
    /// <summary>A worker stands still for a time (SIGSTOP, then SIGCONT).</summary>
    FreezeWorker,
    /// <summary>A worker is asked to leave in good order (SIGTERM).</summary>
    Drain,
    Join,
    /// <summary>The coordinator is killed (SIGKILL), and its run resumed at once.</summary>
    RestartCoordinator,
}

/// <summary>A fault and when it happens.</summary>
/// <param name="Step">The training step, from 1, after which it happens.</param>
/// <param name="Duration">How long a frozen worker stands still; zero for every other kind.</param>
internal sealed record ChaosFault(ChaosKind Kind, long Step, TimeSpan Duration = default)
{
    public override string ToString() => $"{NameOf(Kind)}@{Step}{(Kind == ChaosKind.FreezeWorker ? $":{TextOf(Duration)}" : "")}";

    public static string NameOf(ChaosKind kind) => kind switch
    {
        ChaosKind.KillWorker => "kill-worker",
        ChaosKind.KillAllWorkers => "kill-all-workers",
        ChaosKind.FreezeWorker => "freeze-worker",
        ChaosKind.Drain => "drain",
        ChaosKind.Join => "join",
        _ => "restart-coordinator",
    };

    /// <summary>A duration as it is written in a plan: whole seconds, else milliseconds.</summary>
    public static string TextOf(TimeSpan duration) => duration.Ticks % TimeSpan.TicksPerSecond == 0
        ? $"{duration.TotalSeconds:0}s"
        : $"{duration.TotalMilliseconds:0}ms";
}
