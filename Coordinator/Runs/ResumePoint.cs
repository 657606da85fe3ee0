using System.Collections.Immutable;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Scores;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

// Where an interrupted run continues: at the newest state on which all its files agree. A round is recorded if it and all rounds before
// it are in the history or the evaluations; a checkpoint is usable if the rounds that it has applied are recorded.
// Steps: Lines of the history to keep.
// Evaluations: Lines of the evaluations to keep.
// SetAside: Checkpoints of rounds that are not recorded.
// Dropped: What is dropped and why, one line each.
internal sealed record ResumePoint(
    long Rounds, long Steps, long Evaluations, Manifest? Checkpoint, ImmutableArray<Manifest> SetAside, ImmutableArray<string> Dropped)
{
    public static ResumePoint Start { get; } = new(0, 0, 0, null, [], []);

    /// <summary>Opens the store, reads the run's files, and sets checkpoints aside that are ahead of the records.</summary>
    public static ResumePoint Find(IFileSystem files, string folder, Metric metric, Rounds? rounds, CheckpointStore store)
    {
        var damaged = store.Open();
        var recorded = new RecordedLines(files, folder);
        var stepsPerEpoch = rounds is { Epochs: 0 } ? 0 : rounds?.StepsPerEpoch;
        var point = Of(rounds, recorded.History(stepsPerEpoch).Found, recorded.Evaluations(metric, stepsPerEpoch).Found, store.All);
        store.SetAside(point.SetAside);
        return point with { Dropped = [.. damaged, .. point.Dropped] };
    }

    public static ResumePoint Of(Rounds? rounds, FoundLines history, FoundLines evaluations, IEnumerable<Manifest> checkpoints)
    {
        var recorded = rounds is null ? 0 : rounds.RecordedBy(history.Lines, evaluations.Lines);
        var (steps, evaluated) = rounds is null ? (0, 0) : (rounds.StepsBefore(recorded), recorded - rounds.StepsBefore(recorded));
        var byRound = checkpoints.OrderBy(checkpoint => checkpoint.Round).ToList();
        var usable = byRound.Where(checkpoint => rounds is not null && checkpoint.Round <= recorded
            && rounds.StepsBefore(checkpoint.Round) == checkpoint.Step).ToList();
        ImmutableArray<Manifest> aside = [.. byRound.Except(usable)];
        return new(recorded, steps, evaluated, usable is [.., var newest] ? newest : null, aside,
        [
            .. Damage(RunFiles.History, history),
            .. Damage(RunFiles.Evaluations, evaluations),
            .. Beyond(RunFiles.History, "step", history.Lines, steps, RunFiles.Evaluations),
            .. Beyond(RunFiles.Evaluations, "evaluation", evaluations.Lines, evaluated, RunFiles.History),
            .. aside.Select(checkpoint =>
                $"the checkpoint of step {checkpoint.Step} is set aside: it is of {checkpoint.Round} rounds, and {recorded} are recorded"),
        ]);
    }

    private static IEnumerable<string> Damage(string name, FoundLines found)
    {
        if (found.Fault is { } line) yield return $"{name}: line {line} cannot be read; {found.Behind} line(s) from there on are dropped";
    }

    private static IEnumerable<string> Beyond(string name, string what, long found, long kept, string other)
    {
        if (found > kept)
            yield return $"{name}: {found - kept} {what}(s) from {what} {kept + 1} on are dropped, as {other} does not reach so far";
    }
}
