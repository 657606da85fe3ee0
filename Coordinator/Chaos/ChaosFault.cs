namespace Distributed.Coordinator.Chaos;

internal enum ChaosKind
{
    KillWorker,
    KillAllWorkers, // All workers are killed at once, and as many started
    FreezeWorker, // SIGSTOP, and SIGCONT after the duration
    Drain, // A worker is asked to leave in good order (SIGTERM)
    Join,
    RestartCoordinator, // The coordinator is killed (SIGKILL), and its run resumed at once
}

/// <param name="Step">The training step, from 1, after which the fault happens.</param>
/// <param name="Duration">Of a freeze; zero for every other kind.</param>
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

    /// <summary>In whole seconds if possible, else in milliseconds.</summary>
    public static string TextOf(TimeSpan duration) =>
        duration.Ticks % TimeSpan.TicksPerSecond == 0 ? $"{duration.TotalSeconds:0}s" : $"{duration.TotalMilliseconds:0}ms";
}
