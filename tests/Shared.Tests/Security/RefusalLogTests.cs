using Distributed.Transport.Security;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using ILogger = Microsoft.Extensions.Logging.ILogger;

namespace Distributed.Shared.Tests.Security;

public sealed class RefusalLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly LogLines _lines = new();

    [Fact]
    public void The_first_refusal_of_a_kind_is_logged_at_once_and_the_rest_once_per_interval()
    {
        using var log = new RefusalLog(_lines, _time);
        for (var i = 0; i < 1000; i++) log.Refused(Refusal.Garbage, $"192.0.2.1:{i}", "no greeting");
        log.Refused(Refusal.Slow, "192.0.2.2:1", "it said nothing");
        Assert.Equal(
            ["Warning: Connection from 192.0.2.1:0 refused: no greeting", "Warning: Connection from 192.0.2.2:1 refused: it said nothing"],
            _lines.Lines);
        _time.Advance(RefusalLog.Interval);
        Assert.Equal("Warning: 999 more connections refused within 10 s, the last from 192.0.2.1:999: no greeting", _lines.Lines.Last());
        log.Refused(Refusal.Garbage, "192.0.2.1:1000", "no greeting");
        Assert.Equal(3, _lines.Lines.Count);
        _time.Advance(RefusalLog.Interval);
        Assert.Equal("Warning: 1 more connections refused within 10 s, the last from 192.0.2.1:1000: no greeting", _lines.Lines.Last());
        _time.Advance(RefusalLog.Interval);
        log.Refused(Refusal.Garbage, "192.0.2.1:1001", "no greeting");
        Assert.Equal("Warning: Connection from 192.0.2.1:1001 refused: no greeting", _lines.Lines.Last());
    }

    [Fact]
    public void Pending_refusals_are_logged_at_the_end()
    {
        var log = new RefusalLog(_lines, _time);
        log.Refused(Refusal.Closed, "a", "gone");
        log.Refused(Refusal.Closed, "b", "gone too");
        log.Dispose();
        Assert.Equal("Warning: 1 more connections refused within 10 s, the last from b: gone too", _lines.Lines.Last());
        log.Refused(Refusal.Closed, "c", "later");
        Assert.Equal(2, _lines.Lines.Count);
    }

    [Fact]
    public void A_failing_log_is_ignored()
    {
        using var log = new RefusalLog(new Failing(), _time);
        log.Refused(Refusal.Closed, "a", "gone");
        log.Refused(Refusal.Closed, "b", "gone");
        _time.Advance(RefusalLog.Interval);
    }

    /// <summary>A log whose disk is full.</summary>
    internal sealed class Failing : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new IOException("No space left on device");
    }
}
