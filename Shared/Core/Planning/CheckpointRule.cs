namespace Distributed.Core.Planning;

/// <summary>After which rounds the state of a run is saved.</summary>
public static class CheckpointRule
{
    /// <summary>
    /// Whether a checkpoint is due once this round is applied: each so many steps; where an evaluation follows, after that,
    /// since it changes no parameter and says what they are worth. After the last round of the job there is the result.
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

    /// <summary>Whether the parameters that an evaluation was of are to be saved because none did as well before.</summary>
    /// <param name="rounds">The job's rounds.</param>
    /// <param name="everySteps">Steps between two checkpoints; 0 for none.</param>
    /// <param name="round">One of the job's rounds.</param>
    /// <param name="metric">Mean of the task's first metric over the test set, where more is better.</param>
    /// <param name="best">The most it was before; not a number where it never was measured.</param>
    public static bool IsBest(Rounds rounds, long everySteps, Round round, double metric, double best) =>
        everySteps > 0 && round.Number + 1 < rounds.Count && round.Kind == RoundKind.Evaluate && double.IsFinite(metric) && !(metric <= best);
}
