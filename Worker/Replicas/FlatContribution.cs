using static TorchSharp.torch;

namespace Distributed.Worker.Replicas;

/// <summary>One flat vector that a model's gradients and buffer changes are views of. The views are made once, so that a micro-batch makes none.</summary>
public sealed class FlatContribution : IDisposable
{
    private readonly Tensor[] _gradients;

    /// <summary>Takes over a vector.</summary>
    /// <param name="model">Whose gradients it is to hold.</param>
    /// <param name="floats">Float32 [parameters + buffers], contiguous; freed with this object.</param>
    /// <exception cref="ArgumentException">The vector has another length.</exception>
    public FlatContribution(FlatModel model, Tensor floats)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(floats);
        var (parameters, buffers) = (model.Parameters.numel(), model.Buffers.numel());
        if (floats.numel() != parameters + buffers)
            throw new ArgumentException($"A contribution has {floats.numel()} floats; the model has {parameters} parameters and {buffers} buffers.", nameof(floats));
        Floats = floats.DetachFromDisposeScope();
        Gradient = floats.narrow(0, 0, parameters).DetachFromDisposeScope();
        BufferChange = floats.narrow(0, parameters, buffers).DetachFromDisposeScope();
        _gradients = [.. model.Layout.Where(l => l.Kind is TensorKind.Parameter).Select(l => FlatModel.View(Gradient, l).DetachFromDisposeScope())];
    }

    /// <summary>The whole vector, float32 [parameters + buffers].</summary>
    public Tensor Floats { get; }

    /// <summary>The gradients, float32 [parameters], laid out as <see cref="FlatModel.Parameters"/>.</summary>
    public Tensor Gradient { get; }

    /// <summary>The change of the buffers, float32 [buffers], laid out as <see cref="FlatModel.Buffers"/>.</summary>
    public Tensor BufferChange { get; }

    /// <summary>The gradient of each parameter in the order of the layout, in its parameter's shape.</summary>
    internal IReadOnlyList<Tensor> Gradients => _gradients;

    /// <summary>Frees the vector.</summary>
    public void Dispose()
    {
        foreach (var gradient in _gradients) gradient.Dispose();
        Gradient.Dispose();
        BufferChange.Dispose();
        Floats.Dispose();
    }
}
