using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Observers;

/// <summary>Where a worker is.</summary>
internal enum WorkerPresence
{
    Here,
    /// <summary>Gone without a word.</summary>
    Lost,
    /// <summary>Gone as it wanted, or was asked, to.</summary>
    Left,
    Refused,
}

/// <summary>A worker, as the page gets it.</summary>
/// <param name="Presence">Where it is.</param>
/// <param name="Progress">What it does, or did last.</param>
/// <param name="Since">When it went; null while it is here.</param>
/// <param name="StartsAgain">Whether the coordinator starts it again.</param>
internal sealed record LiveWorker(WorkerPresence Presence, WorkerProgress Progress, DateTimeOffset? Since = null, bool StartsAgain = false);

/// <summary>The workers of a run: those that are here, and those that went last.</summary>
/// <param name="maxGone">Of the latter, how many are remembered.</param>
internal sealed class Roster(int maxGone)
{
    private readonly List<LiveWorker> _gone = [];
    private readonly Dictionary<string, WorkerProgress> _known = new(StringComparer.Ordinal);
    private IReadOnlyList<WorkerProgress> _here = [];

    /// <summary>All of them; who is back is not gone.</summary>
    public IReadOnlyList<LiveWorker> Rows
    {
        get
        {
            var here = _here.Select(worker => worker.Name).ToHashSet(StringComparer.Ordinal);
            return [.. _here.Select(worker => new LiveWorker(WorkerPresence.Here, worker)), .. _gone.Where(worker => !here.Contains(worker.Progress.Name))];
        }
    }

    public void Progressed(IReadOnlyList<WorkerProgress> here)
    {
        _here = here;
        foreach (var worker in here) _known[worker.Name] = worker;
        // Who is gone for long without a word about it is of no interest.
        if (_known.Count > here.Count + maxGone)
            foreach (var name in _known.Keys.Except(here.Select(worker => worker.Name), StringComparer.Ordinal).ToList()) _known.Remove(name);
    }

    /// <summary>Takes note of who comes and who goes.</summary>
    public void Happened(RunEvent happened)
    {
        if (happened.Kind == RunEventKind.Restarted)
        {
            var at = _gone.FindIndex(worker => worker.Progress.Name == happened.Worker);
            if (at >= 0) _gone[at] = _gone[at] with { StartsAgain = true };
            return;
        }
        WorkerPresence? presence = happened.Kind switch
        {
            RunEventKind.Joined => WorkerPresence.Here,
            RunEventKind.Lost => WorkerPresence.Lost,
            RunEventKind.Left => WorkerPresence.Left,
            RunEventKind.Refused => WorkerPresence.Refused,
            _ => null,
        };
        if (presence is null || happened.Worker is not { } name) return;
        _gone.RemoveAll(worker => worker.Progress.Name == name);
        if (presence == WorkerPresence.Here) return;
        _gone.Add(new(presence.Value, _known.GetValueOrDefault(name) ?? new(name, "", "", 0, 0, 0, 0, 0), happened.At));
        _known.Remove(name);
        if (_gone.Count > maxGone) _gone.RemoveAt(0);
    }
}
