using System.Diagnostics;
using System.Globalization;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>
/// What any .NET program tells of its process, under the names that it has in prometheus-net's DotNetStats. That one takes 4 ms of a
/// processor each time somebody reads, since it looks through all threads and handles; this one takes hardly any.
/// </summary>
internal static class ProcessMetrics
{
    /// <summary>Registers the metrics; they are brought up to date whenever somebody reads them.</summary>
    public static void Register(CollectorRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        var metrics = Prometheus.Metrics.WithCustomRegistry(registry);
        var cpu = metrics.CreateCounter("process_cpu_seconds_total", "Processor time, of the user and of the system.");
        var workingSet = metrics.CreateGauge("process_working_set_bytes", "Memory of the process that is in RAM.");
        var heap = metrics.CreateGauge("dotnet_total_memory_bytes", "Memory of the managed heap that is allocated.");
        var collections = metrics.CreateCounter("dotnet_collection_count_total", "Garbage collections.", ["generation"]);
        var generations = Enumerable.Range(0, GC.MaxGeneration + 1).Select(generation => collections.WithLabels(generation.ToString(CultureInfo.InvariantCulture))).ToArray();
        using (var process = Process.GetCurrentProcess())
            metrics.CreateGauge("process_start_time_seconds", "When the process was started, in seconds since 1970.").Set(new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1000.0);
        registry.AddBeforeCollectCallback(() =>
        {
            cpu.IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
            workingSet.Set(Environment.WorkingSet);
            heap.Set(GC.GetTotalMemory(forceFullCollection: false));
            for (var generation = 0; generation < generations.Length; generation++) generations[generation].IncTo(GC.CollectionCount(generation));
        });
    }
}
