using System.Globalization;
using Distributed.Jobs;
using Microsoft.Extensions.Logging;

namespace Distributed.Hosting.Processes;

/// <summary>A log of lines for people, beside the progress of a process. Untrusted text cannot forge a line or control a terminal
/// (<see cref="Shown"/>), and lines that repeat too often are omitted and counted. Never throws. Safe from every thread.</summary>
internal sealed class LimitedLog(Action<string> write, TimeProvider time) : ILoggerProvider
{
    public const int Burst = 100; // Lines of one kind that may come at once.
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1); // The time after which another line of the kind may come.

    public const int MaxLength = 8192; // Characters of a message, and of its exception.

    private const int MaxTraces = 10; // Lines of a kind at once with the stack trace of an exception.
    private const int MaxKinds = 1024; // Kinds that are distinguished; all others count as one.
    private const string Others = "others";
    private const int KindLength = 80; // Characters of a message that make its kind, without the digits among them.

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Kind> _kinds = new(StringComparer.Ordinal);
    private long _swept = time.GetTimestamp();

    private sealed class Kind
    {
        public double Left { get; set; } = Burst;
        public long At { get; set; }
        public long Omitted { get; set; }
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var (name, kind) in _kinds)
                if (kind.Omitted > 0) Write($"{Now()} {Omission(kind.Omitted)}: {name}");
            _kinds.Clear();
        }
    }

    private void Log(LogLevel level, string category, string message, Exception? exception)
    {
        var shown = Shown.InFull(message, MaxLength);
        lock (_lock)
        {
            var kind = KindOf($"{level} {category}: {string.Concat(shown.Take(KindLength).Where(c => !char.IsAsciiDigit(c)))}");
            Refill(kind);
            if (kind.Left < 1)
            {
                kind.Omitted++;
                return;
            }
            // The trace of a repeated error is in the log already.
            var isRepeated = kind.Left < Burst - MaxTraces + 1;
            kind.Left--;
            if (kind.Omitted > 0) Write($"{Now()} {Omission(kind.Omitted)} before the next one");
            kind.Omitted = 0;
            Write($"{Now()} {level} {category}: {shown}{Cause(exception, isRepeated)}");
        }
    }

    private Kind KindOf(string name)
    {
        if (!_kinds.ContainsKey(name) && _kinds.Count >= MaxKinds)
        {
            Sweep();
            if (_kinds.Count >= MaxKinds) name = Others;
        }
        if (!_kinds.TryGetValue(name, out var kind)) _kinds[name] = kind = new() { At = time.GetTimestamp() };
        return kind;
    }

    private void Sweep()
    {
        if (time.GetElapsedTime(_swept) < Interval) return;
        _swept = time.GetTimestamp();
        foreach (var (name, kind) in _kinds.ToList())
        {
            Refill(kind);
            if (kind.Left >= Burst && kind.Omitted == 0) _kinds.Remove(name);
        }
    }

    private void Refill(Kind kind)
    {
        kind.Left = Math.Min(Burst, kind.Left + time.GetElapsedTime(kind.At) / Interval);
        kind.At = time.GetTimestamp();
    }

    private static string Cause(Exception? exception, bool isRepeated)
    {
        if (exception is null) return "";
        return isRepeated
            ? $" {Shown.InFull($"{exception.GetType().FullName}: {exception.Message}", MaxLength)}"
            : $" {Shown.Indented($"{exception}", MaxLength)}";
    }

    private string Now() => time.GetUtcNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
    private static string Omission(long lines) => FormattableString.Invariant($"{lines} lines of this kind are omitted");

    private void Write(string line)
    {
        try
        {
            write(line);
        }
        // A process does not fail because of its log.
        catch (Exception) { }
    }

    private sealed class Logger(LimitedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and not LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) log.Log(logLevel, category, formatter(state, exception), exception);
        }
    }
}
