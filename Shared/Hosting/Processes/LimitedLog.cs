using System.Globalization;
using Distributed.Jobs;
using Microsoft.Extensions.Logging;

namespace Distributed.Hosting.Processes;

/// <summary>
/// A log of lines for people: what a process of the project has to say beside its progress. Text from elsewhere cannot forge a line or reach a
/// terminal's controls (<see cref="Shown"/>), and what is repeated without end is left out and counted. Never throws. Safe from every thread.
/// </summary>
internal sealed class LimitedLog(Action<string> write, TimeProvider time) : ILoggerProvider
{
    /// <summary>Lines of one kind that may come at once.</summary>
    public const int Burst = 100;

    /// <summary>The time after which another line of the kind may come.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Characters of a message, and of the exception behind it.</summary>
    public const int MaxLength = 8192;

    /// <summary>Lines of a kind at once that say in full what led to an exception.</summary>
    private const int MaxTraces = 10;

    /// <summary>Kinds of lines that are told apart; beyond that they are taken for one.</summary>
    private const int MaxKinds = 1024;

    private const string Others = "others";

    /// <summary>Characters of a message that make its kind, without the digits among them.</summary>
    private const int KindLength = 80;

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
            // Where a kind is repeated, the way to its error is known already.
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

    /// <summary>Forgets kinds that have been quiet for long.</summary>
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
        return isRepeated ? $" {Shown.InFull($"{exception.GetType().FullName}: {exception.Message}", MaxLength)}" : $" {Shown.Indented($"{exception}", MaxLength)}";
    }

    private string Now() => time.GetUtcNow().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    private static string Omission(long lines) => string.Create(CultureInfo.InvariantCulture, $"{lines} lines of this kind are left out");

    private void Write(string line)
    {
        try
        {
            write(line);
        }
        // Whoever logs has something better to do than to fail at it.
        catch (Exception)
        {
        }
    }

    private sealed class Logger(LimitedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and not LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) log.Log(logLevel, category, formatter(state, exception), exception);
        }
    }
}
