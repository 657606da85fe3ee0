using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>The samples of a micro-batch where a model computes with them. Belongs to one thread at a time.</summary>
/// <param name="Inputs">Float32 [samples, …].</param>
/// <param name="Targets">Float32 [samples, …]: as <see cref="SampleFormat.TargetShape"/> says.</param>
public sealed record SampleBatch(Tensor Inputs, Tensor Targets) : IDisposable
{
    /// <summary>Copies samples of a set.</summary>
    /// <param name="set">The set.</param>
    /// <param name="samples">Sample numbers; not empty.</param>
    /// <param name="device">Where they are to lie.</param>
    /// <param name="augmentation">What is done to them; null for nothing.</param>
    /// <param name="epoch">In which they are used.</param>
    public static SampleBatch Of(SampleSet set, ReadOnlySpan<int> samples, Device device, IAugmentation? augmentation = null, int epoch = 0)
    {
        using var inputs = Room(samples.Length, set.Format.Shape, device);
        using var targets = Room(samples.Length, set.Format.TargetShape, device);
        var values = MemoryMarshal.Cast<byte, float>(inputs.bytes);
        set.CopyTo(samples, values, MemoryMarshal.Cast<byte, float>(targets.bytes));
        var size = set.Format.SampleSize;
        for (var i = 0; augmentation is not null && i < samples.Length; i++) augmentation.Apply(epoch, samples[i], values.Slice(i * size, size));
        return new(Moved(inputs, device), Moved(targets, device));
    }

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        Inputs.Dispose();
        Targets.Dispose();
    }

    /// <summary>Page-locked where a device is to copy from it, so that it does so without a stop in between.</summary>
    private static Tensor Room(int samples, IReadOnlyList<int> shape, Device device)
    {
        var room = empty([samples, .. shape.Select(size => (long)size)], ScalarType.Float32);
        if (device.type == DeviceType.CPU) return room;
        using (room) return room.pin_memory();
    }

    /// <summary>On a device the copy is queued before what computes with it; libtorch keeps the memory until it is made.</summary>
    private static Tensor Moved(Tensor room, Device device)
    {
        if (device.type == DeviceType.CPU) return room.to(device);
        var moved = empty(room.shape, ScalarType.Float32, device);
        moved.copy_(room, nonBlocking: true);
        return moved;
    }
}
