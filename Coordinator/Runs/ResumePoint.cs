using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// Where a run continues that was cut short: at the newest state on which all its files agree. A round is recorded if it and all
/// rounds before it are in the history or the evaluations; a checkpoint can be used if the rounds that it has applied are recorded.
/// </summary>
/// <param name="Steps">Lines of the history to keep.</param>
/// <param name="Evaluations">Lines of the evaluations to keep.</param>
/// <param name="Checkpoint">The newest checkpoint that can be used; null where there is none.</param>
/// <param name="SetAside">Checkpoints of rounds that are not recorded.</param>
/// <param name="Dropped">What is dropped, and why; a line each.</param>
internal sealed record ResumePoint(
    long Rounds, long Steps, long Evaluations, Manifest? Checkpoint, ImmutableArray<Manifest> SetAside, ImmutableArray<string> Dropped)
{
    public static ResumePoint Start { get; } = new(0, 0, 0, null, [], []);

    /// <param name="rounds">The job's rounds; null where no worker has ever said how large the data is, so that no round was done.</param>
    public static ResumePoint Of(Rounds? rounds, FoundLines history, FoundLines evaluations, IEnumerable<Manifest> checkpoints)
    {
        var recorded = rounds is null ? 0 : rounds.RecordedBy(history.Lines, evaluations.Lines);
        var (steps, evaluated) = rounds is null ? (0, 0) : (rounds.StepsBefore(recorded), recorded - rounds.StepsBefore(recorded));
        var byRound = checkpoints.OrderBy(checkpoint => checkpoint.Round).ToList();
        var usable = byRound.Where(checkpoint => rounds is not null && checkpoint.Round <= recorded && rounds.StepsBefore(checkpoint.Round) == checkpoint.Step).ToList();
        ImmutableArray<Manifest> aside = [.. byRound.Except(usable)];
        return new(recorded, steps, evaluated, usable is [.., var newest] ? newest : null, aside,
        [
            .. Damage(RunFiles.History, history),
            .. Damage(RunFiles.Evaluations, evaluations),
            .. Beyond(RunFiles.History, "step", history.Lines, steps, RunFiles.Evaluations),
            .. Beyond(RunFiles.Evaluations, "evaluation", evaluations.Lines, evaluated, RunFiles.History),
            .. aside.Select(checkpoint => $"the checkpoint of step {checkpoint.Step} is set aside: it is of {checkpoint.Round} rounds, and {recorded} are recorded"),
        ]);
    }

    private static IEnumerable<string> Damage(string name, FoundLines found)
    {
        if (found.Fault is { } line) yield return $"{name}: line {line} cannot be read; {found.Behind} line(s) from there on are dropped";
    }

    private static IEnumerable<string> Beyond(string name, string what, long found, long kept, string other)
    {
        if (found > kept) yield return $"{name}: {found - kept} {what}(s) from {what} {kept + 1} on are dropped, as {other} does not reach so far";
    }
}
