using System.Collections.Immutable;

namespace Distributed.Coordinator.Cluster;

/// <summary>How the process of a local worker has ended, which decides whether it is started again.</summary>
public enum WorkerEnding
{
    /// <summary>It was asked to leave, or the job is complete.</summary>
    Left,
    /// <summary>By a signal, or by a crash after it had taken part.</summary>
    Killed,
    /// <summary>With an error after it had taken part.</summary>
    Failed,
    /// <summary>For a lasting reason: a missing file, another version, a library that does not load.</summary>
    Hopeless,
}

internal abstract record RestartDecision
{
    /// <param name="Number">Counts the restarts of the run from 1.</param>
    internal sealed record Restart(TimeSpan After, int Number) : RestartDecision;

    /// <param name="HasLeft">Whether the worker has left as intended.</param>
    internal sealed record None(string Why, bool HasLeft = false) : RestartDecision;
}

// Decides which local workers are started again, and when. The restarts of all workers count against MaxRestarts. The
// pause doubles with each restart of the same worker, so that a broken one does not use up the restarts at once.
internal sealed record RestartPolicy(int MaxRestarts)
{
    public const int Default = 10;
    public const int Most = 1000; // The largest number that a user may choose.

    private const int SignalBase = 128;

    private static readonly TimeSpan _firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMinutes(1);

    private ImmutableDictionary<string, int> Restarts { get; init; } = ImmutableDictionary<string, int>.Empty;
    private ImmutableHashSet<string> GivenUp { get; init; } = [];
    public int Used { get; private init; } // Restarts so far, of all workers.

    /// <param name="exitCode">On Unix 128 + the signal that killed the process.</param>
    /// <param name="hasApplied">Whether the worker had applied a round since it was started.</param>
    /// <param name="isRefused">Whether the coordinator had refused it for good.</param>
    public static WorkerEnding EndingOf(int exitCode, bool hasApplied, bool isRefused)
    {
        if (exitCode == 0) return WorkerEnding.Left;
        if (isRefused || exitCode == 2) return WorkerEnding.Hopeless;
        // A crash before the first round would happen again; a kill from outside need not.
        if (!hasApplied && !IsKilledByAnother(exitCode)) return WorkerEnding.Hopeless;
        return exitCode == 1 ? WorkerEnding.Failed : WorkerEnding.Killed;
    }

    public (RestartPolicy Next, RestartDecision Decision) Ended(string worker, WorkerEnding ending, string reason)
    {
        if (ending == WorkerEnding.Left) return (Without(worker), new RestartDecision.None($"{worker} has left", HasLeft: true));
        if (ending == WorkerEnding.Hopeless) return (Without(worker), new RestartDecision.None($"{worker} failed: {reason}"));
        if (Used >= MaxRestarts)
        {
            var limit = MaxRestarts == 0 ? "--max-restarts is 0" : $"all {MaxRestarts} restarts (--max-restarts) are used up";
            return (Without(worker), new RestartDecision.None($"{worker} failed: {reason}; {limit}"));
        }
        var earlier = Restarts.GetValueOrDefault(worker);
        var next = this with { Used = Used + 1, Restarts = Restarts.SetItem(worker, earlier + 1) };
        return (next, new RestartDecision.Restart(PauseAfter(earlier), next.Used));
    }

    /// <summary>The workers that run, pause, or have ended without this being known yet.</summary>
    public ImmutableHashSet<string> LeftOf(IEnumerable<string> started) => [.. started.Where(worker => !GivenUp.Contains(worker))];
    private RestartPolicy Without(string worker) => this with { GivenUp = GivenUp.Add(worker) };

    private static TimeSpan PauseAfter(int restarts)
    {
        var pause = _firstPause;
        for (; restarts > 0 && pause < _longestPause; restarts--) pause *= 2;
        return pause < _longestPause ? pause : _longestPause;
    }

    // SIGHUP, SIGINT, SIGQUIT, SIGKILL and SIGTERM; -1 on Windows.
    private static bool IsKilledByAnother(int exitCode) =>
        exitCode is -1 or SignalBase + 1 or SignalBase + 2 or SignalBase + 3 or SignalBase + 9 or SignalBase + 15;
}
