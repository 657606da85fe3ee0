using Akka.Event;

namespace Distributed.Hosting.Cluster;

/// <summary>Takes the place of Akka's logger to standard output, which speaks up when a system stops: the terminal belongs
/// to the progress, and what went before is in the log.</summary>
internal sealed class SilentLogger : MinimalLogger
{
    protected override void Log(object message)
    {
    }
}
