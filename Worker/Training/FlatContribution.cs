using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// One flat vector that a model's gradients, where they are needed, and buffer changes are views of. The views are made once, so
/// that a micro-batch makes none.
/// </summary>
internal sealed class FlatContribution : IDisposable
{
    private readonly Tensor[] _gradients;

    /// <param name="model">Whose gradients it is to hold.</param>
    /// <param name="floats">Float32 [parameters + buffers], or [buffers] for no gradients; contiguous; freed with this object.</param>
    /// <exception cref="ArgumentException">The vector has another length.</exception>
    public FlatContribution(FlatModel model, Tensor floats)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(floats);
        var (parameters, buffers) = (model.Parameters.numel(), model.Buffers.numel());
        var gradients = floats.numel() - buffers;
        if (gradients != 0 && gradients != parameters)
            throw new ArgumentException($"A contribution has {floats.numel()} floats; the model has {parameters} parameters and {buffers} buffers.", nameof(floats));
        Floats = floats.DetachFromDisposeScope();
        Gradient = floats.narrow(0, 0, gradients).DetachFromDisposeScope();
        BufferChange = floats.narrow(0, gradients, buffers).DetachFromDisposeScope();
        _gradients = gradients == 0 ? [] : [.. model.Layout.Where(l => l.Kind is TensorKind.Parameter).Select(l => FlatModel.View(Gradient, l).DetachFromDisposeScope())];
    }

    /// <summary>The whole vector, float32.</summary>
    public Tensor Floats { get; }

    /// <summary>The gradients, float32 [parameters] or of length 0, laid out as <see cref="FlatModel.Parameters"/>.</summary>
    public Tensor Gradient { get; }

    /// <summary>The change of the buffers, float32 [buffers], laid out as <see cref="FlatModel.Buffers"/>.</summary>
    public Tensor BufferChange { get; }

    /// <summary>The gradient of each parameter in the order of the layout, in its parameter's shape.</summary>
    internal IReadOnlyList<Tensor> Gradients => _gradients;

    public void Dispose()
    {
        foreach (var gradient in _gradients) gradient.Dispose();
        Gradient.Dispose();
        BufferChange.Dispose();
        Floats.Dispose();
    }
}
