using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Announces the slices of a contribution while backward still computes the layers below. Models need no support for it.
///
/// Calls of the modules that own parameters are numbered, and at the start of a call its input passes through a <see cref="Marker"/>. On
/// one device, autograd executes the function created last among those whose gradients are ready
/// (<see href="https://github.com/pytorch/pytorch/blob/main/torch/csrc/autograd/engine.cpp">engine.cpp</see>, ReadyQueue; the accumulation
/// into a leaf precedes all others). A function is created after those whose results it uses. So when backward reaches the marker of a
/// call, every function created later has been executed. A parameter is used in calls of the modules that own it, so its gradient is
/// complete at the marker of the first of these calls, and at all earlier markers.
///
/// A model may also use a parameter elsewhere, as in <c>linear(x, other.weight)</c>. Therefore nothing is announced early in the first
/// passes of a model, or when it calls its modules in a new order; instead, each gradient is hashed where it should be complete and
/// compared after backward. Parameters that fail are announced after backward from then on. Every later pass compares some floats of the
/// announced slices, so that a model that changes its behaviour stops the job instead of training on an incomplete gradient. Parameters of
/// modules that are never called, or are called other than through <c>call</c> with one tensor, are announced after backward.
/// </summary>
internal sealed class BackwardProgress
{
    private const int Verifications = 2;
    private readonly SliceParts _parts;
    private readonly GradientSamples _samples;
    private readonly List<int[]> _owned = [];
    private readonly List<Marker.Call> _calls = [];
    private readonly List<Tensor> _passedOn = [null!, null!];
    private readonly int[] _firstCalls;
    private readonly bool[] _isLate;
    private readonly bool[] _isAnnounced;

    // State of the current pass.
    private readonly List<int> _modules = [];
    private readonly ulong?[] _hashes;
    private Pass _pass;
    private bool _isExpected;
    private VectorBuffer _contribution = null!;
    private Action<int> _announce = null!;
    private ExceptionDispatchInfo? _error;
    private int _next;

    // From earlier passes: the order of calls, the markers that backward reached, and the order of slices once it is verified.
    private int[] _known = [];
    private bool[] _reached = [];
    private int _verified;
    private SliceOrder? _order;

    public BackwardProgress(FlatModel model, VectorLayout layout)
    {
        _parts = new(model, layout);
        _samples = new(_parts);
        _firstCalls = new int[_parts.Parameters.Count];
        _isLate = new bool[_parts.Parameters.Count];
        _hashes = new ulong?[_parts.Parameters.Count];
        _isAnnounced = new bool[layout.Slices];
        HookInto(model.Module, model, new(ReferenceEqualityComparer.Instance));
    }

    private enum Pass
    {
        Idle,
        Forward,
        Silent,
        Verifying,
        Announcing,
    }

    /// <summary>The number of slices that hold only gradients, which are final after backward; they come first.</summary>
    public int GradientSlices => _parts.Whole;

    /// <summary>For the user: why some gradients are not sent during backward although their modules are called; null if all are.</summary>
    public string? Note { get; private set; }

    public void Begin(VectorBuffer contribution, Action<int> announce)
    {
        (_contribution, _announce, _error, _next, _isExpected, _pass) = (contribution, announce, null, 0, true, Pass.Forward);
        _modules.Clear();
        Array.Fill(_firstCalls, -1);
        Array.Clear(_isAnnounced);
    }

    /// <exception cref="InvalidOperationException">A gradient changed after its slice was announced.</exception>
    public void Backward(Tensor loss)
    {
        _pass = BeginBackward();
        loss.backward();
        _passedOn[0]?.Dispose();
        _passedOn[0] = null!;
        var pass = _pass;
        _pass = Pass.Idle;
        _error?.Throw();
        if (pass is Pass.Announcing) RequireUnchanged();
        else if (pass is Pass.Verifying) Verify();
    }

    /// <summary>Announces the slices below a limit that are not announced yet.</summary>
    public void AnnounceBelow(int end)
    {
        for (var slice = 0; slice < end; slice++) Announce(slice);
    }

    /// <summary>Backward has reached the marker of a call. The caller is native code: exceptions wait until backward returns.</summary>
    /// <returns>For autograd: the gradient of the marker's input, unchanged.</returns>
    internal List<Tensor> Reached(int call, Tensor gradient)
    {
        try
        {
            if (_pass is Pass.Announcing) AnnounceAt(call);
            else if (_pass is Pass.Verifying) HashAt(call);
        }
        catch (Exception error)
        {
            _error = ExceptionDispatchInfo.Capture(error);
            _pass = Pass.Silent;
        }
        // Kept alive until the next call: autograd takes its own reference only after this returns.
        _passedOn[0]?.Dispose();
        _passedOn[0] = gradient;
        return _passedOn;
    }

    private void HookInto(nn.Module module, FlatModel model, HashSet<nn.Module> seen)
    {
        // A module may be registered several times: TorchSharp registers it once more under the name of its field.
        if (module is jit.ScriptModule || !seen.Add(module)) return;
        int[] owned = [.. module.named_parameters(recurse: false).Select(p => model.IndexOf(p.parameter)).Where(index => index >= 0)];
        if (owned.Length > 0 && module is nn.Module<Tensor, Tensor> hookable)
        {
            var number = _owned.Count;
            _owned.Add(owned);
            hookable.register_forward_pre_hook((_, input) => Called(number, input));
        }
        foreach (var (_, child) in module.named_children()) HookInto(child, model, seen);
    }

    private Tensor Called(int module, Tensor input)
    {
        if (_pass is not Pass.Forward) return input;
        var call = _modules.Count;
        _modules.Add(module);
        foreach (var parameter in _owned[module])
            if (_firstCalls[parameter] < 0) _firstCalls[parameter] = call;
        _isExpected &= call < _known.Length && _known[call] == module;
        var isMarked = _order is null || (_isExpected && _order.IsMarked(call));
        if (!isMarked || !input.requires_grad) return input;
        while (_calls.Count <= call) _calls.Add(new(this, _calls.Count));
        return Marker.On(input, _calls[call]);
    }

    private Pass BeginBackward()
    {
        var isKnown = _isExpected && _modules.Count == _known.Length;
        if (isKnown && _order is not null)
        {
            _samples.Restart();
            return Pass.Announcing;
        }
        if (!isKnown)
        {
            // With a known order, calls that need no marker have none, so this pass cannot verify the new order.
            var isMarked = _order is null;
            (_known, _reached, _verified, _order) = ([.. _modules], new bool[_modules.Count], 0, null);
            if (!isMarked) return Pass.Silent;
        }
        Array.Clear(_hashes);
        return Pass.Verifying;
    }

    private void AnnounceAt(int call)
    {
        for (; _next < _order!.Count && _order[_next].Call >= call; _next++)
        {
            _samples.Record(_order[_next].Slice, _contribution.Floats);
            Announce(_order[_next].Slice);
        }
    }

    private void Announce(int slice)
    {
        if (_isAnnounced[slice]) return;
        _isAnnounced[slice] = true;
        _announce(slice);
    }

    private void HashAt(int call)
    {
        _reached[call] = true;
        for (var parameter = 0; parameter < _hashes.Length; parameter++)
            if (_firstCalls[parameter] >= call) _hashes[parameter] ??= HashOf(parameter);
    }

    private ulong HashOf(int parameter)
    {
        var at = _parts.Parameters[parameter];
        return XxHash3.HashToUInt64(MemoryMarshal.AsBytes(_contribution.Floats.Slice((int)at.Offset, (int)at.Length)));
    }

    private void Verify()
    {
        for (var parameter = 0; parameter < _hashes.Length; parameter++)
        {
            if (_isLate[parameter] || _hashes[parameter] is not { } hash || hash == HashOf(parameter)) continue;
            _isLate[parameter] = true;
            Note ??= $"the gradient of '{_parts.Parameters[parameter].Name}' is sent only after backward: the model uses it outside of the "
                + "calls of its module";
        }
        if (++_verified < Verifications) return;
        for (var parameter = 0; parameter < _isLate.Length; parameter++)
            if (_isLate[parameter]) _firstCalls[parameter] = -1;
        _order = new(_parts, _firstCalls, _reached);
    }

    private void RequireUnchanged()
    {
        if (_samples.FindChanged(_contribution.Floats) is not (>= 0 and var parameter)) return;
        throw new InvalidOperationException(
            $"The gradient of '{_parts.Parameters[parameter].Name}' changed after its slice was sent: the model uses it outside of the " +
            $"calls of its module, but did not in the first {Verifications} micro-batches. Use it so from the first micro-batch on, " +
            "or only through its module.");
    }
}

/// <summary>The identity, which reports when backward reaches it. The gradient passes unchanged, with all its bits.</summary>
internal sealed class Marker : autograd.SingleTensorFunction<Marker>
{
    private const string Key = "call";
    internal sealed record Call(BackwardProgress Progress, int Number);

    public override string Name => nameof(Marker);

    /// <summary>A tensor in the same memory as <paramref name="input"/>, with this function in its graph.</summary>
    public static Tensor On(Tensor input, Call call) => apply(input, call);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        ctx.save_data(Key, vars[1]);
        // Of an input returned as it is, autograd would make a view, which must not be changed in place.
        return ((Tensor)vars[0]).detach();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var call = (Call)ctx.get_data(Key);
        return call.Progress.Reached(call.Number, grad_output);
    }
}
