using Distributed.Hosting.Processes;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Distributed.Shared.Tests.Processes;

public sealed class LimitedLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<string> _lines = [];
    private readonly LimitedLog _log;

    public LimitedLogTests() => _log = new(_lines.Add, _time);

    [Fact]
    public void Lines_that_repeat_too_often_are_omitted_and_counted()
    {
        var logger = _log.CreateLogger("links");
        for (var i = 0; i < 10_000; i++) logger.LogWarning("connection {Number} is refused", i);
        logger.LogInformation("Generation 2 begins");
        Assert.Equal(LimitedLog.Burst + 1, _lines.Count);
        Assert.EndsWith("Information links: Generation 2 begins", _lines[^1], StringComparison.Ordinal);
        _time.Advance(LimitedLog.Interval);
        logger.LogWarning("connection {Number} is refused", 10_000);
        Assert.EndsWith($"{10_000 - LimitedLog.Burst} lines of this kind are omitted before the next one",
            _lines[^2], StringComparison.Ordinal);
        Assert.EndsWith("connection 10000 is refused", _lines[^1], StringComparison.Ordinal);
        logger.LogWarning("connection {Number} is refused", 10_001);
        _log.Dispose();
        Assert.EndsWith("1 lines of this kind are omitted: Warning links: connection  is refused", _lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void An_hour_of_a_thousand_lines_per_second_stays_bounded()
    {
        var logger = _log.CreateLogger("links");
        for (var second = 0; second < 3600; second++)
        {
            for (var i = 0; i < 10; i++) logger.LogWarning("{Text}", $"{new string((char)('a' + i), second % 50)} is refused");
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.InRange(_lines.Count, 3600, 40_000);
    }

    [Fact]
    public void Untrusted_text_cannot_forge_a_line() => ShownTests.Hostile.Sample(text =>
    {
        List<string> lines = [];
        using var log = new LimitedLog(lines.Add, _time);
        log.CreateLogger("links").LogError(new InvalidOperationException(text), "The worker says: {Text}", text);
        var written = Assert.Single(lines).Split('\n');
        Assert.All(written, ShownTests.HasOneLineToBeSeen);
        Assert.All(written.Skip(1), line => Assert.StartsWith("    ", line, StringComparison.Ordinal));
    });

    [Fact]
    public void A_log_that_cannot_be_written_does_not_throw()
    {
        using var log = new LimitedLog(_ => throw new IOException("No space left on device"), _time);
        log.CreateLogger("links").LogError("an error");
    }
}
