using System.Collections.Immutable;

namespace Distributed.Coordinator.Cluster;

/// <summary>How the process of a local worker has ended, as far as that decides whether it is started again.</summary>
public enum WorkerEnding
{
    /// <summary>In good order: it was asked to leave, or the job is done.</summary>
    Left,

    /// <summary>By a signal, or by a crash after it had taken part.</summary>
    Killed,

    /// <summary>With an error after it had taken part.</summary>
    Failed,

    /// <summary>For a reason that another process would meet again: a missing file, another version, a library that does not load.</summary>
    Hopeless,
}

/// <summary>What becomes of a local worker that has ended.</summary>
internal abstract record RestartDecision
{
    /// <summary>It is started again after a pause.</summary>
    /// <param name="Number">Which restart of the run this is, from 1.</param>
    internal sealed record Restart(TimeSpan After, int Number) : RestartDecision;

    /// <summary>It is not started again.</summary>
    /// <param name="HasLeft">Whether that is as it should be.</param>
    internal sealed record None(string Why, bool HasLeft = false) : RestartDecision;
}

/// <summary>
/// Decides which local workers are started again, and when. The budget is that of the run: each restart of any worker counts. The
/// pause before a restart doubles with each restart of the same worker, so that one that cannot live does not use up the budget at once.
/// </summary>
/// <param name="MaxRestarts">Restarts that the run may have, 0 to <see cref="Most"/>.</param>
internal sealed record RestartPolicy(int MaxRestarts)
{
    /// <summary>Restarts of a run whose user has not chosen.</summary>
    public const int Default = 10;

    /// <summary>The most restarts that a user may choose.</summary>
    public const int Most = 1000;

    /// <summary>The pause before the first restart of a worker.</summary>
    public static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private const int SignalBase = 128;

    /// <summary>Restarts so far, by worker.</summary>
    public ImmutableDictionary<string, int> Restarts { get; private init; } = ImmutableDictionary<string, int>.Empty;

    /// <summary>Those that have ended and are not started again.</summary>
    public ImmutableHashSet<string> GivenUp { get; private init; } = [];

    /// <summary>Restarts so far, of all workers.</summary>
    public int Used { get; private init; }

    /// <param name="exitCode">As the operating system gives it; on Unix 128 + the number of the signal that killed it.</param>
    /// <param name="hasApplied">Whether it had applied a round since it was started.</param>
    /// <param name="isRefused">Whether the coordinator had refused it for good.</param>
    public static WorkerEnding EndingOf(int exitCode, bool hasApplied, bool isRefused) => true switch
    {
        _ when exitCode == 0 => WorkerEnding.Left,
        _ when isRefused || exitCode == 2 => WorkerEnding.Hopeless,
        // A crash of its own before its first round would come again; the kill of another process need not.
        _ when !hasApplied && !IsKilledByAnother(exitCode) => WorkerEnding.Hopeless,
        _ => exitCode == 1 ? WorkerEnding.Failed : WorkerEnding.Killed,
    };

    /// <param name="reason">Why, in a user's words.</param>
    public (RestartPolicy Next, RestartDecision Decision) Ended(string worker, WorkerEnding ending, string reason)
    {
        if (ending == WorkerEnding.Left) return (Without(worker), new RestartDecision.None($"{worker} has left", HasLeft: true));
        if (ending == WorkerEnding.Hopeless) return (Without(worker), new RestartDecision.None($"{worker} failed: {reason}"));
        if (Used >= MaxRestarts)
            return (Without(worker), new RestartDecision.None($"{worker} failed: {reason}; {(MaxRestarts == 0 ? "--max-restarts is 0" : $"all {MaxRestarts} restarts (--max-restarts) are used up")}"));
        var earlier = Restarts.GetValueOrDefault(worker);
        return (this with { Used = Used + 1, Restarts = Restarts.SetItem(worker, earlier + 1) }, new RestartDecision.Restart(PauseAfter(earlier), Used + 1));
    }

    /// <summary>
    /// Which of the workers the run can still count on: those that run, that pause, and that have ended without that being known yet.
    /// </summary>
    public ImmutableHashSet<string> LeftOf(IEnumerable<string> started) => [.. started.Where(worker => !GivenUp.Contains(worker))];

    private RestartPolicy Without(string worker) => this with { GivenUp = GivenUp.Add(worker) };

    private static TimeSpan PauseAfter(int restarts)
    {
        var pause = FirstPause;
        for (; restarts > 0 && pause < LongestPause; restarts--) pause *= 2;
        return pause < LongestPause ? pause : LongestPause;
    }

    /// <summary>SIGHUP, SIGINT, SIGQUIT, SIGKILL and SIGTERM; on Windows, what a process is ended with from outside.</summary>
    private static bool IsKilledByAnother(int exitCode) => exitCode is -1 or SignalBase + 1 or SignalBase + 2 or SignalBase + 3 or SignalBase + 9 or SignalBase + 15;
}
