using System.Collections.Immutable;

namespace Distributed.Coordinator.Cluster;

/// <summary>How a worker's process is started.</summary>
/// <param name="Program">An executable's path, or its name on the path.</param>
/// <param name="Arguments">Passed as they are; no shell takes part.</param>
internal sealed record WorkerCommand(string Program, ImmutableArray<string> Arguments);
