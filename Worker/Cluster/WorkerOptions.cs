using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;
using Distributed.Worker.Plugins;
using static TorchSharp.torch;

namespace Distributed.Worker.Cluster;

/// <param name="Name">Name it would like to have.</param>
/// <param name="Coordinator">HOST:PORT of the coordinator.</param>
/// <param name="Host">Address that others reach it at.</param>
/// <param name="LinkPort">Port of its links, 0 for a free one.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="Data">Where it looks for data.</param>
/// <param name="Patience">How long it waits for a coordinator to take it in, or to come back.</param>
internal sealed record WorkerOptions(string Name, string Coordinator, string Host, int LinkPort, Device Device, DataOptions Data, TimeSpan Patience)
{
    public TimeSpan Remaining { get; init; } = Patience;

    public PluginSet Plugins { get; init; } = PluginSet.None;

    /// <summary>Address that it listens at; null for that of <see cref="Host"/>.</summary>
    public string? Bind { get; init; }

    /// <summary>Port of its metrics; 0 where it serves none.</summary>
    public int MetricsPort { get; init; }

    public LinkOptions Links { get; init; } = new();

    /// <summary>What part of the memory that is free a micro-batch may take where the job leaves its size to that; above 0, to 1.</summary>
    public double MemoryFraction { get; init; } = Hosting.Processes.MemoryFraction.Default;
}
