using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;
using Distributed.Worker.Plugins;
using static TorchSharp.torch;

namespace Distributed.Worker.Cluster;

/// <param name="Host">Address at which others reach the worker.</param>
/// <param name="Timeout">How long it waits until a coordinator accepts it, or comes back.</param>
internal sealed record WorkerOptions(
    string Name, string Coordinator, string Host, int LinkPort, Device Device, DataOptions Data, TimeSpan Timeout)
{
    public TimeSpan Remaining { get; init; } = Timeout;
    public PluginSet Plugins { get; init; } = PluginSet.None;

    /// <summary>Address to listen at; null for that of <see cref="Host"/>.</summary>
    public string? Bind { get; init; }

    /// <summary>Port of the metrics; 0 if there are none.</summary>
    public int MetricsPort { get; init; }
    public LinkOptions Links { get; init; } = new();

    /// <summary>The part of the free memory that a micro-batch may take if the job chooses its size automatically; above 0, to 1.</summary>
    public double MemoryFraction { get; init; } = Hosting.Processes.MemoryFraction.Default;
}

/// <param name="MayReturn">Whether it should register again, as another node of the cluster.</param>
/// <param name="Session">Its state of the job; null if it returns as a new worker.</param>
/// <param name="WasRefused">Whether the coordinator rejected it, rather than lost it.</param>
internal sealed record WorkerEnd(
    int ExitCode, string Reason, bool MayReturn = false, WorkerSession? Session = null, bool TookPart = false, bool WasRefused = false);
