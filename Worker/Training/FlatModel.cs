using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

internal enum TensorKind
{
    Parameter,
    /// <summary>A floating-point buffer or a frozen parameter, in <see cref="FlatModel.Buffers"/>.</summary>
    Buffer,
    /// <summary>A buffer of integers, held as floats at the end of <see cref="FlatModel.Buffers"/>.</summary>
    IntegerBuffer,
}

/// <summary>The place of a module's tensor in a flat vector.</summary>
/// <param name="Name">Its name in the state_dict, such as <c>conv1.weight</c>.</param>
internal sealed record TensorLayout(string Name, IReadOnlyList<long> Shape, TensorKind Kind, long Offset, long Length);

/// <summary>
/// A module whose parameters are views of one flat vector and whose gradients are views of another, so that a contribution is one
/// contiguous vector, a part to send is a slice of it, and an optimizer step is a few whole-vector operations.
/// <see cref="AddGradientsTo"/> chooses the memory of the gradients. Buffers exist twice: <see cref="Buffers"/>, the committed ones, are
/// part of the replica's state; the module's own, the working ones, change in a forward pass in training mode. A micro-batch therefore is
/// <see cref="RestoreBuffers"/>, forward, backward, <see cref="BufferChange"/>, and depends on nothing that ran before it. Used by one
/// thread at a time. Never call <c>zero_grad</c>, <c>to</c> or the like on the module: they detach it from the vectors
/// (<see cref="VerifyAliasing"/> detects it).
/// </summary>
internal sealed class FlatModel : IDisposable
{
    /// <summary>Float32 represents every integer up to this one.</summary>
    public const long LargestExactInteger = 1L << 24;

    private readonly List<Slot> _slots = [];
    private readonly Tensor _working;
    private readonly Tensor _committedIntegers;
    private readonly (Tensor Buffer, Tensor Working, Tensor Committed)[] _integers;
    private readonly (Tensor Parameter, int Index)[] _trainable;
    private FlatContribution? _target;

    /// <summary>Moves a module to a device and its tensors into flat vectors. The module belongs to this object from here on.</summary>
    /// <param name="module">Its float tensors must be float32, and at least one parameter trainable.</param>
    /// <exception cref="ArgumentException">It does not meet that, has integers above 2^24, or replaces its tensors.</exception>
    public FlatModel(nn.Module module, Device device)
    {
        Module = module;
        module.to(device);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        CollectSlots();
        Layout = PlaceSlots(out var parameterCount, out var bufferCount, out var integerCount);
        if (parameterCount == 0) throw new ArgumentException($"The module {module.GetName()} has no trainable parameter.", nameof(module));

        Parameters = zeros(parameterCount, float32, device);
        IsOnCpu = Parameters.device_type is DeviceType.CPU;
        Buffers = zeros(bufferCount, float32, device);
        _working = zeros_like(Buffers);
        _committedIntegers = Buffers.narrow(0, bufferCount - integerCount, integerCount);
        _integers = [.. _slots.Zip(Layout).Where(s => s.Second.Kind is TensorKind.IntegerBuffer)
            .Select(s => (s.First.Tensors[0], View(_working, s.Second), View(Buffers, s.Second)))];
        foreach (var (slot, layout) in _slots.Zip(Layout)) Flatten(slot, layout);
        _trainable = [.. _slots.Where(s => s.Kind is TensorKind.Parameter).SelectMany((s, index) => s.Tensors.Select(t => (t, index)))];
        Buffers.copy_(_working);
        VerifyAliasing();
        foreach (var tensor in Owned()) tensor.DetachFromDisposeScope();
    }

    public nn.Module Module { get; }

    /// <summary>In the order of PyTorch's state_dict; a tensor shared between modules appears once, under its first name.</summary>
    public IReadOnlyList<TensorLayout> Layout { get; }

    /// <summary>All trainable parameters, float32 [parameters]; writing here writes into the module.</summary>
    public Tensor Parameters { get; }

    public bool IsOnCpu { get; }

    /// <summary>
    /// The committed buffers, float32 [buffers]: first the floating-point ones, then those of integers, each exact up to 2^24 (a counter
    /// stays there). After writing here, call <see cref="RestoreBuffers"/>.
    /// </summary>
    public Tensor Buffers { get; }

    /// <summary>From here on <c>backward</c> adds to this vector, made for this model and set to zero by the caller.</summary>
    public void AddGradientsTo(FlatContribution target)
    {
        foreach (var (parameter, index) in _trainable) parameter.grad = target.Gradients[index];
        _target = target;
    }

    /// <summary>Sets the module's buffers to the committed ones, before each micro-batch.</summary>
    public void RestoreBuffers()
    {
        _working.copy_(Buffers);
        foreach (var (buffer, _, committed) in _integers) buffer.copy_(committed);
    }

    /// <summary>
    /// Writes the change of the module's buffers since <see cref="RestoreBuffers"/>, times the samples of the micro-batch: summed over
    /// micro-batches and divided by all samples, it is the mean change.
    /// </summary>
    /// <param name="destination">Float32 [buffers] on the same device; overwritten.</param>
    public void BufferChange(double samples, Tensor destination)
    {
        RequireBufferLength(destination, nameof(destination));
        foreach (var (buffer, working, _) in _integers) working.copy_(buffer);
        destination.copy_(_working).AddTimes(Buffers, -1).MultiplyBy(samples);
    }

    /// <summary>Adds a step's mean change to the committed buffers, rounding those of integers, and restores the module's.</summary>
    /// <param name="meanChange">Float32 [buffers] on the same device: the sum of the changes over the sum of the samples.</param>
    public void ApplyBufferChange(Tensor meanChange)
    {
        RequireBufferLength(meanChange, nameof(meanChange));
        Buffers.AddTimes(meanChange, 1);
        _committedIntegers.round_();
        RestoreBuffers();
    }

    /// <exception cref="ArgumentException">A parameter, gradient or floating-point buffer of the module is not in the vectors.</exception>
    public void VerifyAliasing()
    {
        using var scope = NewDisposeScope();
        var (parameters, gradients, buffers) = (Address(Parameters), _target is null ? 0 : Address(_target.Floats), Address(_working));
        // Enumerated anew: the module may have replaced its tensors since the slots were collected.
        foreach (var (name, tensor) in Module.named_parameters().Select(p => (p.name, (Tensor)p.parameter)).Concat(Module.named_buffers()))
        {
            if (tensor.dtype != float32) continue;
            var trainable = tensor is Parameter { requires_grad: true };
            if (Address(tensor) != (trainable ? parameters : buffers) && tensor.numel() > 0) throw Detached(name, "value");
            if (trainable && gradients != 0 && tensor.numel() > 0 && (tensor.grad is not { } gradient || Address(gradient) != gradients))
                throw Detached(name, "gradient");
        }

        static ArgumentException Detached(string name, string what) => new(
            $"The {what} of '{name}' is not in the flat vector, so training would not reach it. A module cannot be trained if it " +
            "replaces its tensors or calls zero_grad or to on itself.");
    }

    /// <summary>The index of a parameter among those of the layout; negative if it is not one of them.</summary>
    public int IndexOf(Parameter parameter) =>
        Array.FindIndex(_trainable, t => t.Parameter.Handle == parameter.Handle) is >= 0 and var at ? _trainable[at].Index : -1;

    public void Dispose()
    {
        Module.Dispose();
        foreach (var tensor in Owned()) tensor.Dispose();
    }

    /// <summary>A tensor of the module and the tensors that share its memory.</summary>
    private sealed record Slot(string Name, long[] Shape, TensorKind Kind, List<Tensor> Tensors);

    private void CollectSlots()
    {
        var seen = new Dictionary<(nint, long, long), Slot>();
        foreach (var (name, tensor) in StateDict.Entries(Module))
        {
            var kind = KindOf(name, tensor);
            var key = kind is TensorKind.IntegerBuffer
                ? (tensor.Handle, 0L, tensor.numel())
                : (Address(tensor), tensor.storage_offset(), tensor.numel());
            if (tensor.numel() > 0 && seen.TryGetValue(key, out var shared) && shared.Shape.SequenceEqual(tensor.shape))
            {
                shared.Tensors.Add(tensor);
                continue;
            }
            var slot = new Slot(name, tensor.shape, kind, [tensor]);
            _slots.Add(slot);
            seen[key] = slot;
        }
    }

    private static TensorKind KindOf(string name, Tensor tensor)
    {
        if (tensor.dtype == float32) return tensor is Parameter { requires_grad: true } ? TensorKind.Parameter : TensorKind.Buffer;
        if (tensor is Parameter || !(tensor.is_integral() || tensor.dtype == ScalarType.Bool))
        {
            throw new ArgumentException(
                $"'{name}' is {tensor.dtype}: parameters and floating-point buffers must be Float32. " +
                "Convert the module with to(ScalarType.Float32).");
        }
        if (tensor.numel() > 0 && tensor.to(int64).abs().max().item<long>() is var largest and > LargestExactInteger)
            throw new ArgumentException($"The buffer '{name}' holds {largest}: a float cannot hold integers above {LargestExactInteger}.");
        return TensorKind.IntegerBuffer;
    }

    private TensorLayout[] PlaceSlots(out long parameters, out long buffers, out long integers)
    {
        var floats = _slots.Where(s => s.Kind is TensorKind.Buffer).Sum(s => s.Tensors[0].numel());
        // The next free element for each kind.
        long[] next = [0, 0, floats];
        var layout = _slots.ConvertAll(slot =>
        {
            var (offset, length) = (next[(int)slot.Kind], slot.Tensors[0].numel());
            next[(int)slot.Kind] += length;
            return new TensorLayout(slot.Name, slot.Shape, slot.Kind, offset, length);
        });
        (parameters, buffers) = (next[(int)TensorKind.Parameter], next[(int)TensorKind.IntegerBuffer]);
        integers = buffers - floats;
        return [.. layout];
    }

    private void Flatten(Slot slot, TensorLayout layout)
    {
        var view = View(slot.Kind is TensorKind.Parameter ? Parameters : _working, layout);
        view.copy_(slot.Tensors[0]);
        if (slot.Kind is TensorKind.IntegerBuffer) return;
        foreach (var tensor in slot.Tensors) tensor.set_(view);
    }

    public static Tensor View(Tensor flat, TensorLayout layout) => flat.narrow(0, layout.Offset, layout.Length).view([.. layout.Shape]);
    public static nint Address(Tensor tensor) => tensor.storage<float>().data_ptr();

    private void RequireBufferLength(Tensor tensor, string name)
    {
        if (tensor.numel() != Buffers.numel())
            throw new ArgumentException($"{name} has {tensor.numel()} elements; the buffers have {Buffers.numel()}.", name);
    }

    private IEnumerable<Tensor> Owned() =>
        [Parameters, Buffers, _working, _committedIntegers, .. _integers.SelectMany(i => new[] { i.Working, i.Committed })];
}
