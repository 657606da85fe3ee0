namespace Distributed.Coordinator.Runs;

/// <summary>
/// Decides when the records are made durable, so that the workers need not keep their reports any longer. Asked again and again also where
/// nothing is reported: workers that may keep no further reports wait for this.
/// </summary>
/// <param name="entered">Rounds that a coordinator before this one has made durable.</param>
internal sealed class FlushSchedule(long entered)
{
    private long _asked = entered;

    /// <summary>Rounds before this one are durable.</summary>
    public long Safe { get; private set; } = entered;

    /// <summary>Whether the records are to be made durable now.</summary>
    /// <param name="isRestartable">Whether all else is written that the next coordinator needs: without it, that one could not tell what the records are of.</param>
    /// <returns>The rounds that are durable once that is done; null where it is not due, or being done.</returns>
    public long? Due(long entered, long interval, bool isRestartable) => !isRestartable || entered < _asked + interval ? null : _asked = entered;

    /// <summary>The records of rounds before this one are durable.</summary>
    public void Flushed(long before) => Safe = before;

    /// <summary>They could not be made durable: that is due again.</summary>
    public void Failed() => _asked = Safe;
}
