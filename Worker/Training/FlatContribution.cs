using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>A flat vector with lasting views for a model's gradients, if they are needed, and buffer changes.</summary>
internal sealed class FlatContribution : IDisposable
{
    private readonly Tensor[] _gradients;

    /// <param name="floats">Float32 [parameters + buffers], or [buffers] without gradients; contiguous; freed with this object.</param>
    public FlatContribution(FlatModel model, Tensor floats)
    {
        var (parameters, buffers) = (model.Parameters.numel(), model.Buffers.numel());
        var gradients = floats.numel() - buffers;
        if (gradients != 0 && gradients != parameters)
        {
            throw new ArgumentException(
                $"A contribution has {floats.numel()} floats; the model has {parameters} parameters and {buffers} buffers.");
        }
        Floats = floats.DetachFromDisposeScope();
        Gradient = floats.narrow(0, 0, gradients).DetachFromDisposeScope();
        BufferChange = floats.narrow(0, gradients, buffers).DetachFromDisposeScope();
        _gradients = gradients == 0 ? [] : [.. model.Layout.Where(layout => layout.Kind is TensorKind.Parameter)
            .Select(layout => FlatModel.View(Gradient, layout).DetachFromDisposeScope())];
    }

    public Tensor Floats { get; }

    /// <summary>Float32 [parameters], laid out as <see cref="FlatModel.Parameters"/>, or empty.</summary>
    public Tensor Gradient { get; }

    /// <summary>Float32 [buffers], laid out as <see cref="FlatModel.Buffers"/>.</summary>
    public Tensor BufferChange { get; }

    /// <summary>The gradient of each parameter in the order of the layout, in its parameter's shape.</summary>
    public IReadOnlyList<Tensor> Gradients => _gradients;

    public void Dispose()
    {
        foreach (var gradient in _gradients) gradient.Dispose();
        Gradient.Dispose();
        BufferChange.Dispose();
        Floats.Dispose();
    }
}

/// <summary>
/// Memory of a contribution that is also a tensor: on the CPU, backward adds straight into the memory that is sent; for a CUDA device it is
/// page-locked, so that the device copies into it directly.
/// </summary>
internal sealed class TorchMemory : IVectorMemory
{
    private readonly Tensor _whole;

    public TorchMemory(FlatModel model, VectorLayout layout)
    {
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
