using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Distributed.Core;
using Distributed.Core.Planning;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Natives;
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Cluster;

/// <summary>Finds the largest micro-batch that fits into a device's memory by computing some, forward and backward, as in a step.</summary>
internal static class MemoryProbe
{
    private const double Giga = 1e9;

    // An average, and a state in transit: vectors of a worker beside the contribution in progress and the partial sums.
    private const int OtherVectors = 2;

    /// <summary>Takes as long as some steps of the largest size.</summary>
    public static Probed Run(
        Job job, DataOptions data, Device device, double fraction,
        PluginSet? plugins = null, MemoryMeter? meter = null, CancellationToken stopping = default)
    {
        set_num_threads(job.Threads);
        meter ??= MemoryMeter.Of(device);
        // One micro-batch per step, whose size is chosen here.
        var whole = job with { Auto = AutoSize.None, Batch = null, MicroBatches = 1 };
        using var replica = new Replica(whole, Load(whole, data), device, plugins);
        using var pool = replica.CreatePool();
        var contribution = pool.Rent();
        try
        {
            var train = replica.Task.TrainSamples;
            // The first pass allocates what later passes reuse.
            Compute(replica, contribution, 1);
            var free = meter.Free();
            // Partial sums wait for their siblings, at most one per height of the tree; those of a GPU are in the machine's memory.
            var vectors = device.type == TorchSharp.DeviceType.CPU ? BitOperations.Log2((uint)job.MicroBatches) + 1 + OtherVectors : 0;
            var kept = (vectors * sizeof(float) * (long)pool.Layout.Floats) + replica.StateBytes;
            var budget = (long)(free * fraction) - kept;
            var before = meter.Begin();
            var probe = new BatchProbe(AutoSizes.LargestOf(job, train), budget);
            while (probe.Next is { } samples)
            {
                stopping.ThrowIfCancellationRequested();
                probe = TryCompute(replica, contribution, samples)
                    ? probe.Succeeded(samples, Math.Max(0, meter.Peak() - before))
                    : probe.Failed();
            }
            var of = string.Create(CultureInfo.InvariantCulture, $"{fraction:P0} of {free / Giga:0.0} GB of free memory of {meter.What}");
            return probe.Result >= 1
                ? new(probe.Result, train, probe.Result == probe.MaxSamples ? $"as many as the job can use, within {of}" : of)
                : throw new InvalidOperationException($"not one sample fits into {of}: the model's own vectors take {kept / Giga:0.0} GB. "
                    + "Make the model smaller, or give the worker more memory");
        }
        finally
        {
            contribution.Release();
        }
    }

    private static DataSet Load(Job job, DataOptions data)
    {
        try
        {
            return DataSets.Load(job, data);
        }
        catch (DataException error) when (DataParts.Missing(job.Data, data) is not null)
        {
            throw new DataException($"{error.Message} What fits into memory is found out with data that is on the worker, before the "
                + "coordinator sends any: bring the data there, or give batch and micro-batches as numbers.", error);
        }
    }

    private static bool TryCompute(Replica replica, VectorBuffer contribution, int samples)
    {
        try
        {
            Compute(replica, contribution, samples);
            return true;
        }
        // The errors of libtorch's allocators for GPU and CPU.
        catch (ExternalException error) when (error.Message.Contains("out of memory", StringComparison.Ordinal)
            || error.Message.Contains("allocate memory", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private static void Compute(Replica replica, VectorBuffer contribution, int samples) =>
        replica.Map.Compute(replica.Rounds.At(0) with { Samples = samples, MicroBatches = 1 }, 0, contribution);
}

/// <summary>Measures free and used memory, in bytes. Memory that is freed stays with the process.</summary>
/// <param name="Begin">Starts a measurement; returns what is used already.</param>
internal sealed record MemoryMeter(string What, Func<long> Free, Func<long> Begin, Func<long> Peak)
{
    private const string Status = "/proc/self/status";

    public static MemoryMeter Of(Device device) => device.type switch
    {
        DeviceType.CUDA => new($"{device}", () => DeviceMemory.Free() ?? throw Unknown(device), UsedOfDevice, UsedOfDevice),
        DeviceType.CPU when File.Exists(Status) => new("the machine", FreeOfMachine, BeginPeak, () => Kilobytes(Status, "VmHWM:")),
        _ => throw Unknown(device),
    };

    private static long UsedOfDevice() => DeviceMemory.Used() ?? 0;

    private static NotSupportedException Unknown(Device device) =>
        new($"how much memory {device} has is not known here; give batch and micro-batches as numbers");

    // What the machine has, and what the process may use of it.
    private static long FreeOfMachine() => Math.Min(
        Kilobytes("/proc/meminfo", "MemAvailable:"), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet);

    private static long BeginPeak()
    {
        try
        {
            // Resets the peak, if the kernel allows it.
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The old peak hides smaller ones: small sizes look alike, larger ones do not.
        }
        return Kilobytes(Status, "VmRSS:");
    }

    private static long Kilobytes(string file, string key)
    {
        var line = File.ReadLines(file).First(line => line.StartsWith(key, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2].Split('\t')[^1], CultureInfo.InvariantCulture);
    }
}
