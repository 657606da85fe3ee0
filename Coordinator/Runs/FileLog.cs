using Distributed.Hosting.Processes;
using Microsoft.Extensions.Logging;

namespace Distributed.Coordinator.Runs;

/// <summary>The coordinator's log file; the console shows the progress. Its size is bounded, see <see cref="RotatingFile"/>.</summary>
internal sealed class FileLog : ILoggerProvider
{
    private readonly RotatingFile _file;
    private readonly LimitedLog _log;

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
