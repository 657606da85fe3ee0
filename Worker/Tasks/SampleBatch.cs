using System.Runtime.InteropServices;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

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
    public static SampleBatch Of(SampleSet set, ReadOnlySpan<int> samples, Device device, Augmentation? augmentation = null, int epoch = 0)
    {
        using var inputs = Room(samples.Length, set.Format.Shape);
        using var targets = Room(samples.Length, set.Format.TargetShape);
        var values = MemoryMarshal.Cast<byte, float>(inputs.bytes);
        set.CopyTo(samples, values, MemoryMarshal.Cast<byte, float>(targets.bytes));
        var size = set.Format.SampleSize;
        for (var i = 0; augmentation is not null && i < samples.Length; i++) augmentation.Apply(epoch, samples[i], values.Slice(i * size, size));
        return new(inputs.to(device), targets.to(device));
    }

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        Inputs.Dispose();
        Targets.Dispose();
    }

    private static Tensor Room(int samples, IReadOnlyList<int> shape) => empty([samples, .. shape.Select(size => (long)size)], ScalarType.Float32);
}
