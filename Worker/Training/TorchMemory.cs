using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Memory of a contribution that is a tensor too: on the CPU, backward adds straight into what is sent; for a CUDA device it
/// is page-locked, so that the device copies into it without a stop in between.
/// </summary>
internal sealed class TorchMemory : IVectorMemory
{
    private readonly Tensor _whole;

    public TorchMemory(FlatModel model, VectorLayout layout)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(layout);
        using var scope = NewDisposeScope();
        var whole = empty([layout.Bytes / sizeof(float)], float32, CPU);
        _whole = (model.IsOnCpu ? whole : whole.pin_memory()).DetachFromDisposeScope();
        Contribution = new(model, _whole.narrow(0, 0, layout.Floats));
        Address = FlatModel.Address(_whole);
    }

    public nint Address { get; }

    /// <summary>The float vector as tensors on the CPU.</summary>
    public FlatContribution Contribution { get; }

    public void Dispose()
    {
        Contribution.Dispose();
        _whole.Dispose();
    }
}
