using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>The samples of a micro-batch on the device that holds the model. Not safe for use by two threads at once.</summary>
/// <param name="Inputs">Float32 [samples, …], see <see cref="SampleFormat.Shape"/>; pixels of images lie between 0 and 1.</param>
/// <param name="Targets">
/// Float32 [samples, …], see <see cref="SampleFormat.TargetShape"/>; [samples] if a target is one number. A class is its number from 0.
/// </param>
public sealed record SampleBatch(Tensor Inputs, Tensor Targets) : IDisposable
{
    /// <summary>Copies samples to a device.</summary>
    /// <param name="set">The set that holds them.</param>
    /// <param name="samples">Numbers of samples, each 0 to <see cref="SampleSet.Count"/> - 1; not empty.</param>
    /// <param name="device">The device that holds the model.</param>
    /// <param name="augmentation">Changes the inputs before they are copied; null leaves them unchanged.</param>
    /// <param name="epoch">The epoch that uses the samples, from 0; only the augmentation needs it.</param>
    /// <returns>The samples in the order of their numbers in <paramref name="samples"/>; the caller disposes them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The set has no sample of such a number.</exception>
    public static SampleBatch Of(
        SampleSet set, ReadOnlySpan<int> samples, Device device, IAugmentation? augmentation = null, int epoch = 0)
    {
        using var inputs = Allocate(samples.Length, set.Format.Shape, device);
        using var targets = Allocate(samples.Length, set.Format.TargetShape, device);
        var values = MemoryMarshal.Cast<byte, float>(inputs.bytes);
        set.CopyTo(samples, values, MemoryMarshal.Cast<byte, float>(targets.bytes));
        var size = set.Format.SampleSize;
        for (var i = 0; augmentation is not null && i < samples.Length; i++)
            augmentation.Apply(epoch, samples[i], values.Slice(i * size, size));
        return new(CopyTo(device, inputs), CopyTo(device, targets));
    }

    /// <summary>Frees both tensors.</summary>
    public void Dispose()
    {
        Inputs.Dispose();
        Targets.Dispose();
    }

    // A device copies from page-locked memory without stopping the processor.
    private static Tensor Allocate(int samples, IReadOnlyList<int> shape, Device device)
    {
        var memory = empty([samples, .. shape.Select(size => (long)size)], ScalarType.Float32);
        if (device.type == DeviceType.CPU) return memory;
        using (memory) return memory.pin_memory();
    }

    // A device queues the copy before the computations that read it; libtorch keeps the source until the copy is made.
    private static Tensor CopyTo(Device device, Tensor source)
    {
        if (device.type == DeviceType.CPU) return source.to(device);
        var copy = empty(source.shape, ScalarType.Float32, device);
        copy.copy_(source, nonBlocking: true);
        return copy;
    }
}
