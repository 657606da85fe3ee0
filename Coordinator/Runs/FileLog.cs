using Distributed.Hosting.Processes;
using Microsoft.Extensions.Logging;

namespace Distributed.Coordinator.Runs;

/// <summary>The coordinator's own log, beside those of its workers: the console is for progress. Bounded, see <see cref="RotatingFile"/>; never throws.</summary>
internal sealed class FileLog : ILoggerProvider
{
    private readonly RotatingFile _file;
    private readonly LimitedLog _log;

    /// <summary>Opens it, behind what it holds.</summary>
    public FileLog(string path)
    {
        _file = new(path);
        _log = new(_file.WriteLine, TimeProvider.System);
    }

    public ILogger CreateLogger(string categoryName) => _log.CreateLogger(categoryName);

    public void Dispose()
    {
        _log.Dispose();
        _file.Dispose();
    }
}
