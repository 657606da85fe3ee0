namespace Distributed.Coordinator.Chaos;

/// <summary>Notices a run that does not go on.</summary>
internal sealed class StallGuard(TimeProvider time)
{
    /// <summary>Longer than what any fault costs: a frozen worker is given up after 20 s.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private long _step;
    private long _since = time.GetTimestamp();

    /// <summary>Takes note of the step that the run is at.</summary>
    /// <returns>Whether it has stayed there too long.</returns>
    public bool IsStalledAt(long step)
    {
        if (step != _step) (_step, _since) = (step, time.GetTimestamp());
        return time.GetElapsedTime(_since) >= Patience;
    }
}
