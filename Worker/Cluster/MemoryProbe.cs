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
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Cluster;

/// <summary>Finds the largest micro-batch of a job that a device has memory for, by computing some: forward and backward, as in a step.</summary>
internal static class MemoryProbe
{
    private const double Giga = 1e9;

    /// <summary>What a worker holds beside the contribution that it computes and the sums of those before: an average, and a state that is sent.</summary>
    private const int OtherVectors = 2;

    /// <summary>Looks for it. Takes as long as some steps of the largest size.</summary>
    /// <param name="job">The job, see <see cref="AutoSize"/>.</param>
    /// <param name="data">Where its data is looked for.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="fraction">What part of the memory that is free may be taken; above 0, to 1.</param>
    /// <param name="plugins">Libraries of models and tasks; null for none.</param>
    /// <param name="meter">Measures the memory; null for the device's.</param>
    /// <exception cref="InvalidOperationException">Not one sample fits.</exception>
    /// <exception cref="DataException">The data is not on this machine, or cannot be used.</exception>
    public static Probed Run(Job job, DataOptions data, Device device, double fraction, PluginSet? plugins = null, MemoryMeter? meter = null, CancellationToken stopping = default)
    {
        set_num_threads(job.Threads);
        meter ??= MemoryMeter.Of(device);
        // One micro-batch a step, of which the size is chosen here.
        var whole = job with { Auto = AutoSize.None, Batch = null, MicroBatches = 1 };
        using var replica = new Replica(whole, Load(whole, data), device, plugins);
        using var pool = replica.CreatePool();
        var contribution = pool.Rent();
        try
        {
            var train = replica.Task.TrainSamples;
            // What is set up once, at the first pass, is no part of a micro-batch.
            Compute(replica, contribution, 1);
            var free = meter.Free();
            // Sums wait for their siblings, at most one of each height of the tree; on a GPU they lie in the machine's memory.
            var vectors = device.type == TorchSharp.DeviceType.CPU ? BitOperations.Log2((uint)job.MicroBatches) + 1 + OtherVectors : 0;
            var kept = (vectors * sizeof(float) * (long)pool.Layout.Floats) + replica.StateBytes;
            var budget = (long)(free * fraction) - kept;
            var before = meter.Begin();
            var probe = new BatchProbe(AutoSizes.LargestOf(job, train), budget);
            while (probe.Next is { } samples)
            {
                stopping.ThrowIfCancellationRequested();
                probe = TryCompute(replica, contribution, samples) ? probe.Succeeded(samples, Math.Max(0, meter.Peak() - before)) : probe.Failed();
            }
            var of = string.Create(CultureInfo.InvariantCulture, $"{fraction:P0} of {free / Giga:0.0} GB that are free of the memory of {meter.What}");
            return probe.Result >= 1
                ? new(probe.Result, train, probe.Result == probe.MaxSamples ? $"all that is of use, in {of}" : of)
                : throw new InvalidOperationException($"not one sample fits into {of}: the model's own vectors take {kept / Giga:0.0} GB. Make the model smaller, or give the worker more memory");
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
            throw new DataException(
                $"{error.Message} What fits into memory is found out with data that is on the worker, before the coordinator sends any: bring the data there, or give batch and micro-batches as numbers.", error);
        }
    }

    private static bool TryCompute(Replica replica, VectorBuffer contribution, int samples)
    {
        try
        {
            Compute(replica, contribution, samples);
            return true;
        }
        // What libtorch says where its allocator is at an end, on a GPU and on a CPU.
        catch (ExternalException error) when (error.Message.Contains("out of memory", StringComparison.Ordinal) || error.Message.Contains("allocate memory", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private static void Compute(Replica replica, VectorBuffer contribution, int samples) =>
        replica.Map.Compute(replica.Rounds.At(0) with { Samples = samples, MicroBatches = 1 }, 0, contribution);
}
