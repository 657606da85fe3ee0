namespace Distributed.Core.Planning;

/// <summary>Decides after which rounds a checkpoint is saved.</summary>
public static class CheckpointRule
{
    /// <summary>
    /// Whether a periodic checkpoint is due once this round is applied. If an evaluation follows the step, the checkpoint waits for it, so
    /// that its quality is known. The last round of the job needs no checkpoint, since the result follows.
    /// </summary>
    /// <param name="rounds">The job's rounds.</param>
    /// <param name="everySteps">Steps between two checkpoints; 0 for none.</param>
    /// <param name="round">One of the job's rounds.</param>
    public static bool IsDue(Rounds rounds, long everySteps, Round round)
    {
        if (everySteps == 0 || round.Number + 1 == rounds.Count) return false;
        return round.Kind == RoundKind.Evaluate
            ? round.Step % everySteps == 0
            : (round.Step + 1) % everySteps == 0 && rounds.At(round.Number + 1).Kind == RoundKind.Train;
    }

    /// <summary>Whether a checkpoint is due because this evaluation is the best so far.</summary>
    /// <param name="rounds">The job's rounds.</param>
    /// <param name="everySteps">Steps between two checkpoints; 0 for none.</param>
    /// <param name="round">One of the job's rounds.</param>
    /// <param name="metric">The task's metric on the test set, higher is better.</param>
    /// <param name="best">Its maximum so far; NaN before the first evaluation.</param>
    public static bool IsBest(Rounds rounds, long everySteps, Round round, double metric, double best) =>
        everySteps > 0 && round.Number + 1 < rounds.Count && round.Kind == RoundKind.Evaluate
        && double.IsFinite(metric) && !(metric <= best);
}
