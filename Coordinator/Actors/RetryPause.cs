using System.Diagnostics;

namespace Distributed.Coordinator.Actors;

/// <summary>Keeps what has failed from being tried again at once.</summary>
internal sealed class RetryPause
{
    private static readonly TimeSpan _length = TimeSpan.FromSeconds(1);

    private long _since;

    /// <summary>Something was tried.</summary>
    public void Begin() => _since = Stopwatch.GetTimestamp();

    /// <summary>Whether it may be tried again.</summary>
    public bool IsOver => Stopwatch.GetElapsedTime(_since) >= _length;
}
