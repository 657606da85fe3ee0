using System.Runtime.InteropServices;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>The samples of a micro-batch where a model computes with them.</summary>
/// <param name="Inputs">Float32 [samples, …].</param>
/// <param name="Targets">Float32 [samples, …]: as <see cref="SampleFormat.TargetShape"/> says.</param>
internal readonly record struct SampleBatch(Tensor Inputs, Tensor Targets) : IDisposable
{
    public static SampleBatch Of(SampleSet set, ReadOnlySpan<int> samples, Device device)
    {
        using var inputs = Room(samples.Length, set.Format.Shape);
        using var targets = Room(samples.Length, set.Format.TargetShape);
        set.CopyTo(samples, MemoryMarshal.Cast<byte, float>(inputs.bytes), MemoryMarshal.Cast<byte, float>(targets.bytes));
        return new(inputs.to(device), targets.to(device));
    }

    private static Tensor Room(int samples, IReadOnlyList<int> shape) => empty([samples, .. shape.Select(size => (long)size)], ScalarType.Float32);

    public void Dispose()
    {
        Inputs.Dispose();
        Targets.Dispose();
    }
}
