using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Distributed.Transport.Security;

/// <summary>Why a connection was refused. The names, in lower case, are labels of metrics.</summary>
public enum Refusal
{
    /// <summary>It was closed before it identified itself, as by a port scan.</summary>
    Closed,
    /// <summary>It began with malformed bytes.</summary>
    Garbage,
    /// <summary>It showed no certificate.</summary>
    Anonymous,
    /// <summary>Its certificate is not signed by an authority of ca.crt, or not for this use; or it rejects this end's
    /// certificate.</summary>
    Untrusted,
    /// <summary>Its certificate has expired or is not valid yet.</summary>
    Expired,
    /// <summary>Its certificate does not have the name that this end has connected to.</summary>
    Name,
    /// <summary>It did not identify itself in time.</summary>
    Slow,
    /// <summary>Too many other connections had not identified themselves.</summary>
    Crowded,
    /// <summary>It belongs to another job, or is not expected.</summary>
    Stranger,
}

// Logs refused connections with a bounded rate: the first of a kind at once, those that follow within Interval as one line
// with their number. Never throws. Thread-safe.
internal sealed class RefusalLog(ILogger log, TimeProvider time) : IDisposable
{
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

    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            foreach (var pending in _pending.Values)
            {
                pending.Timer.Dispose();
                LogMore(pending);
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
            LogMore(pending);
            pending.More = 0;
            pending.Timer.Change(Interval, Timeout.InfiniteTimeSpan);
        }
    }

    private void LogMore(Pending pending)
    {
        if (pending.More == 0) return;
        Write(string.Create(
            CultureInfo.InvariantCulture,
            $"{pending.More} more connections refused within {Interval.TotalSeconds} s, the last from {pending.Last}"));
    }

    private void Write(string line)
    {
        try
        {
            log.LogWarning("{Line}", line);
        }
        // Connections are accepted even if the log fails.
        catch (Exception)
        {
        }
    }
}
