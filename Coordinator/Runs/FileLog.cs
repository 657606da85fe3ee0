using Microsoft.Extensions.Logging;

namespace Distributed.Coordinator.Runs;

/// <summary>The coordinator's own log, beside those of its workers: the console is for progress.</summary>
public sealed class FileLog(string path) : ILoggerProvider
{
    private readonly TextWriter _writer = TextWriter.Synchronized(new StreamWriter(path, append: true) { AutoFlush = true });

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, _writer);

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private sealed class Logger(string category, TextWriter writer) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) writer.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} {logLevel} {category}: {formatter(state, exception)}{(exception is null ? "" : $" {exception}")}");
        }
    }
}
