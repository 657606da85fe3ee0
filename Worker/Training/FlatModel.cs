using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// A module whose parameters are views of one flat vector and whose gradients are views of another, so that a contribution
/// is one contiguous vector, sending it is a slice, and an optimizer step is a few whole-vector operations.
/// </summary>
/// <remarks>
/// The gradients lie where <see cref="AddGradientsTo"/> says: in the memory that is sent. Buffers exist twice: <see cref="Buffers"/>, the committed ones, which are part of the replica's state, and the module's
/// own, the working ones, which a forward pass in training mode changes. A micro-batch is therefore
/// <see cref="RestoreBuffers"/>, forward, backward, <see cref="BufferChange"/>, and depends on nothing that ran before it.
/// Used by one thread at a time. Never call <c>zero_grad</c>, <c>to</c> or the like on the module: they cut it off from the
/// vectors (<see cref="VerifyAliasing"/> says so).
/// </remarks>
internal sealed class FlatModel : IDisposable
{
    /// <summary>The largest whole number up to which float32 holds every whole number.</summary>
    internal const long LargestExactInteger = 1L << 24;

    private readonly List<Slot> _slots = [];
    private readonly Tensor _working;
    private readonly Tensor _committedIntegers;
    private readonly (Tensor Buffer, Tensor Working, Tensor Committed)[] _integers;
    private readonly (Tensor Parameter, int Index)[] _trainable;
    private FlatContribution? _target;

    /// <summary>Moves a module to a device and its tensors into flat vectors. The module belongs to this object from here on.</summary>
    /// <param name="module">Any module; its float tensors must be float32, and at least one parameter trainable.</param>
    /// <param name="device">Where the vectors are to lie.</param>
    /// <exception cref="ArgumentException">
    /// A tensor has a type that cannot be flattened, a whole number is too large for a float, there is nothing to train, or
    /// the module does not share its tensors, so that it would not see the vectors.
    /// </exception>
    public FlatModel(nn.Module module, Device device)
    {
        ArgumentNullException.ThrowIfNull(module);
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

    /// <summary>The module, which a task knows how to call. It can be switched between training and evaluation.</summary>
    public nn.Module Module { get; }

    /// <summary>Where each tensor lies, in the order of PyTorch's state_dict; a tensor shared between modules once, under its first name.</summary>
    public IReadOnlyList<TensorLayout> Layout { get; }

    /// <summary>All trainable parameters, float32 [parameters]. Writing here writes into the module.</summary>
    public Tensor Parameters { get; }

    /// <summary>Whether the vectors lie in memory that this process reads and writes itself.</summary>
    public bool IsOnCpu { get; }

    /// <summary>
    /// The committed buffers, float32 [buffers]: first the floating-point ones, then those of whole numbers, each exact up
    /// to 2^24 (a counter stays there). After writing here call <see cref="RestoreBuffers"/>.
    /// </summary>
    public Tensor Buffers { get; }

    /// <summary>From here on <c>backward</c> adds to this vector, which the caller has set to zero.</summary>
    /// <param name="target">Made for this model, on its device.</param>
    public void AddGradientsTo(FlatContribution target)
    {
        ArgumentNullException.ThrowIfNull(target);
        foreach (var (parameter, index) in _trainable) parameter.grad = target.Gradients[index];
        _target = target;
    }

    /// <summary>Sets the module's buffers to the committed ones: before each micro-batch, and before evaluating.</summary>
    public void RestoreBuffers()
    {
        _working.copy_(Buffers);
        foreach (var (buffer, _, committed) in _integers) buffer.copy_(committed);
    }

    /// <summary>
    /// Writes how much the module's buffers have changed since <see cref="RestoreBuffers"/>, times the samples that changed
    /// them: summed over micro-batches and divided by all samples, it is the mean change.
    /// </summary>
    /// <param name="samples">Samples of the micro-batch, more than 0.</param>
    /// <param name="destination">Float32 [buffers] on the same device; overwritten.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void BufferChange(double samples, Tensor destination)
    {
        RequireBufferLength(destination, nameof(destination));
        foreach (var (buffer, working, _) in _integers) working.copy_(buffer);
        destination.copy_(_working).AddTimes(Buffers, -1).MultiplyBy(samples);
    }

    /// <summary>
    /// Adds the mean change of a step to the committed buffers, those of whole numbers rounded to the nearest, and sets the
    /// module's buffers to them.
    /// </summary>
    /// <param name="meanChange">Float32 [buffers] on the same device: the sum of the changes over the sum of the samples.</param>
    /// <exception cref="ArgumentException">The change has another length.</exception>
    public void ApplyBufferChange(Tensor meanChange)
    {
        RequireBufferLength(meanChange, nameof(meanChange));
        Buffers.AddTimes(meanChange, 1);
        _committedIntegers.round_();
        RestoreBuffers();
    }

    /// <summary>Checks that every parameter, gradient and floating-point buffer of the module still lies in the vectors.</summary>
    /// <exception cref="ArgumentException">One does not; the message names it.</exception>
    public void VerifyAliasing()
    {
        using var scope = NewDisposeScope();
        var (parameters, gradients, buffers) = (Address(Parameters), _target is null ? 0 : Address(_target.Floats), Address(_working));
        // The module is asked anew: what it held when the slots were collected says nothing about what it uses now.
        foreach (var (name, tensor) in Module.named_parameters().Select(p => (p.name, (Tensor)p.parameter)).Concat(Module.named_buffers()))
        {
            if (tensor.dtype != float32) continue;
            var trainable = tensor is Parameter { requires_grad: true };
            if (Address(tensor) != (trainable ? parameters : buffers) && tensor.numel() > 0)
                throw Detached(name, "value");
            if (trainable && gradients != 0 && tensor.numel() > 0 && (tensor.grad is not { } gradient || Address(gradient) != gradients))
                throw Detached(name, "gradient");
        }

        static ArgumentException Detached(string name, string what) => new(
            $"The {what} of '{name}' does not lie in the flat vector, so training would pass it by. Modules that replace their " +
            "tensors, or that had zero_grad or to called on them, cannot be trained flat.");
    }

    /// <summary>The place of a parameter among those of the layout; negative where it is none of them.</summary>
    internal int IndexOf(Parameter parameter) =>
        Array.FindIndex(_trainable, t => t.Parameter.Handle == parameter.Handle) is >= 0 and var at ? _trainable[at].Index : -1;

    public void Dispose()
    {
        Module.Dispose();
        foreach (var tensor in Owned()) tensor.Dispose();
    }

    /// <summary>One tensor of the module, under each of the names that share it.</summary>
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
                $"'{name}' is {tensor.dtype}: parameters and floating-point buffers must be Float32. Convert the module with to(ScalarType.Float32).");
        }

        if (tensor.numel() > 0 && tensor.to(int64).abs().max().item<long>() is var largest and > LargestExactInteger)
            throw new ArgumentException($"The buffer '{name}' holds {largest}: whole numbers above {LargestExactInteger} do not fit a float.");
        return TensorKind.IntegerBuffer;
    }

    private TensorLayout[] PlaceSlots(out long parameters, out long buffers, out long integers)
    {
        long floats = _slots.Where(s => s.Kind is TensorKind.Buffer).Sum(s => s.Tensors[0].numel());
        Dictionary<TensorKind, long> next = new() { [TensorKind.Parameter] = 0, [TensorKind.Buffer] = 0, [TensorKind.IntegerBuffer] = floats };
        var layout = _slots.ConvertAll(slot =>
        {
            var (offset, length) = (next[slot.Kind], slot.Tensors[0].numel());
            next[slot.Kind] += length;
            return new TensorLayout(slot.Name, slot.Shape, slot.Kind, offset, length);
        });
        (parameters, buffers, integers) = (next[TensorKind.Parameter], next[TensorKind.IntegerBuffer], next[TensorKind.IntegerBuffer] - floats);
        return [.. layout];
    }

    private void Flatten(Slot slot, TensorLayout layout)
    {
        var view = View(slot.Kind is TensorKind.Parameter ? Parameters : _working, layout);
        view.copy_(slot.Tensors[0]);
        if (slot.Kind is TensorKind.IntegerBuffer) return;
        foreach (var tensor in slot.Tensors) tensor.set_(view);
    }

    internal static Tensor View(Tensor flat, TensorLayout layout) => flat.narrow(0, layout.Offset, layout.Length).view([.. layout.Shape]);

    internal static nint Address(Tensor tensor) => tensor.storage<float>().data_ptr();

    private void RequireBufferLength(Tensor tensor, string name)
    {
        if (tensor.numel() != Buffers.numel())
            throw new ArgumentException($"{name} has {tensor.numel()} elements; the buffers have {Buffers.numel()}.", name);
    }

    private IEnumerable<Tensor> Owned() =>
        [Parameters, Buffers, _working, _committedIntegers, .. _integers.SelectMany(i => new[] { i.Working, i.Committed })];
}
