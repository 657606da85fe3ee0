using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Distributed.Transport.Security;

/// <summary>
/// Tells people of refused connections without letting strangers fill the log: the first of a kind is told at once, those that follow within
/// <see cref="Interval"/> are told as one line with their number. Never throws. Safe from every thread.
/// </summary>
internal sealed class RefusalLog(ILogger log, TimeProvider time) : IDisposable
{
    /// <summary>The time between two lines about refusals of one kind.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<Refusal, Pending> _pending = [];
    private bool _isDisposed;

    private sealed class Pending
    {
        public required ITimer Timer { get; init; }

        public int More { get; set; }

        public string Last { get; set; } = "";
    }

    /// <param name="kind">What kind of refusal: one line an interval for each.</param>
    public void Refused(Refusal kind, string peer, string reason)
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            if (_pending.TryGetValue(kind, out var pending))
            {
                (pending.More, pending.Last) = (pending.More + 1, $"{peer}: {reason}");
                return;
            }
            _pending[kind] = new() { Timer = time.CreateTimer(_ => Elapsed(kind), null, Interval, Timeout.InfiniteTimeSpan) };
            Write($"Connection from {peer} refused: {reason}");
        }
    }

    /// <summary>Tells what has not been told yet.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            foreach (var pending in _pending.Values)
            {
                pending.Timer.Dispose();
                Tell(pending);
            }
            _pending.Clear();
        }
    }

    private void Elapsed(Refusal kind)
    {
        lock (_lock)
        {
            if (_isDisposed || !_pending.TryGetValue(kind, out var pending)) return;
            if (pending.More == 0)
            {
                pending.Timer.Dispose();
                _pending.Remove(kind);
                return;
            }
            Tell(pending);
            pending.More = 0;
            pending.Timer.Change(Interval, Timeout.InfiniteTimeSpan);
        }
    }

    private void Tell(Pending pending)
    {
        if (pending.More > 0)
            Write(string.Create(CultureInfo.InvariantCulture, $"{pending.More} more connections refused within {Interval.TotalSeconds} s, the last from {pending.Last}"));
    }

    private void Write(string line)
    {
        try
        {
            log.LogWarning("{Line}", line);
        }
        // A log that fails is no reason to stop accepting connections.
        catch (Exception)
        {
        }
    }
}
