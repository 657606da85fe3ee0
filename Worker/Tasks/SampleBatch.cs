using System.Runtime.InteropServices;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>The samples of a micro-batch where a model computes with them.</summary>
/// <param name="Inputs">Float32 [samples, …].</param>
/// <param name="Targets">Float32 [samples].</param>
internal readonly record struct SampleBatch(Tensor Inputs, Tensor Targets) : IDisposable
{
    public static SampleBatch Of(SampleSet set, ReadOnlySpan<int> samples, Device device)
    {
        using var inputs = empty([samples.Length, .. set.Format.Shape.Select(size => (long)size)], ScalarType.Float32);
        using var targets = empty([samples.Length], ScalarType.Float32);
        set.CopyTo(samples, MemoryMarshal.Cast<byte, float>(inputs.bytes), MemoryMarshal.Cast<byte, float>(targets.bytes));
        return new(inputs.to(device), targets.to(device));
    }

    public void Dispose()
    {
        Inputs.Dispose();
        Targets.Dispose();
    }
}
