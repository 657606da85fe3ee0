namespace Distributed.Coordinator.Runs;

// Decides when the records are made durable, after which the workers may discard their reports. Ask again even if no round is reported:
// workers that keep as many reports as they may wait for this.
internal sealed class FlushSchedule(long entered)
{
    private long _requested = entered;

    public long Safe { get; private set; } = entered; // Rounds before this one are durable.

    public long? Due(long entered, long interval, bool isRestartable) =>
        !isRestartable || entered < _requested + interval ? null : _requested = entered;

    public void Flushed(long before) => Safe = before;
    public void Failed() => _requested = Safe;
}
