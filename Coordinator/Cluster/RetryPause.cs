namespace Distributed.Coordinator.Cluster;

/// <summary>Keeps what has failed from being tried again at once.</summary>
/// <param name="time">The clock; null for that of this machine.</param>
internal sealed class RetryPause(TimeProvider? time = null)
{
    private static readonly TimeSpan _length = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long _since;

    public void Begin() => _since = _time.GetTimestamp();

    /// <summary>Whether it may be tried again.</summary>
    public bool IsOver => _time.GetElapsedTime(_since) >= _length;
}
