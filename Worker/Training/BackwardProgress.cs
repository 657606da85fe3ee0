using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Announces the slices of a contribution while backward still computes the layers below, for models whose authors know
/// nothing of it.
/// </summary>
/// <remarks>
/// <para>
/// Calls of the modules that own parameters are numbered, and at the start of a call its input goes through a
/// <see cref="Marker"/>. On one device autograd runs, of the functions whose gradients are there, the one that was made last
/// (<see href="https://github.com/pytorch/pytorch/blob/main/torch/csrc/autograd/engine.cpp">engine.cpp</see>, ReadyQueue; the
/// accumulation into a leaf comes before all others). A function is made after those whose results it uses. So when backward
/// comes by the marker of a call, no function that was made later is left: the one of them that is furthest up would be ready,
/// and would have come first. A parameter is used in calls of the modules that own it, so its gradient is complete at the marker
/// of the first of these calls, and at all markers before.
/// </para>
/// <para>
/// A model may use a parameter elsewhere too, as in <c>linear(x, other.weight)</c>. So nothing is announced early in the first
/// passes of a model, nor where its modules are called in another order than before; instead the gradients are hashed where they
/// should be complete, and compared after backward. Parameters that fail are from then on announced after backward. And at every
/// pass some floats of what was announced are compared, so that a model that changes its ways stops rather than trains on half
/// a gradient.
/// </para>
/// <para>Parameters of modules that are not called, or not through <c>call</c>, or with other than one tensor, are announced after backward.</para>
/// </remarks>
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

    // Of the pass in progress.
    private readonly List<int> _modules = [];
    private readonly ulong?[] _hashes;
    private Pass _pass;
    private bool _isExpected;
    private VectorBuffer _contribution = null!;
    private Action<int> _announce = null!;
    private ExceptionDispatchInfo? _error;
    private int _next;

    // Of the passes before: the order of calls, at which markers backward came by, and once verified what follows from it.
    private int[] _known = [];
    private bool[] _reached = [];
    private int _verified;
    private SliceOrder? _order;

    /// <summary>Puts hooks on the modules of a model that lies on the CPU.</summary>
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
        /// <summary>None of a training micro-batch.</summary>
        Idle,
        /// <summary>Forward: calls are numbered.</summary>
        Forward,
        /// <summary>Backward, of which nothing is announced.</summary>
        Silent,
        /// <summary>Backward, of which it is only checked what would be announced.</summary>
        Verifying,
        /// <summary>Backward, of which slices are announced.</summary>
        Announcing,
    }

    /// <summary>The slices that hold gradients alone, final after backward: 0 to this, exclusive.</summary>
    public int GradientSlices => _parts.Whole;

    /// <summary>For the user: why some gradients are not sent during backward although their modules are called; null where all are.</summary>
    public string? Note { get; private set; }

    /// <param name="contribution">What backward will add its gradients to.</param>
    public void Begin(VectorBuffer contribution, Action<int> announce)
    {
        (_contribution, _announce, _error, _next, _isExpected, _pass) = (contribution, announce, null, 0, true, Pass.Forward);
        _modules.Clear();
        Array.Fill(_firstCalls, -1);
        Array.Clear(_isAnnounced);
    }

    /// <summary>Runs backward, and announces slices on the way.</summary>
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

    /// <summary>Announces what of the slices below a limit is not announced yet.</summary>
    public void AnnounceBelow(int end)
    {
        for (var slice = 0; slice < end; slice++) Announce(slice);
    }

    /// <summary>Backward comes by the marker of a call. Its callers are no managed code, so nothing is thrown from here.</summary>
    /// <returns>What a function gives back to autograd: the gradient of its input, as it came.</returns>
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
        // Held until the next one, as autograd takes it over only after this returns.
        _passedOn[0]?.Dispose();
        _passedOn[0] = gradient;
        return _passedOn;
    }

    private void HookInto(nn.Module module, FlatModel model, HashSet<nn.Module> seen)
    {
        // A module may hang in several places: TorchSharp itself adds it once more under the name of its field.
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
            // Some calls of an order that was known by then have no marker, so there is nothing to verify by.
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
            _samples.Take(_order[_next].Slice, _contribution.Floats);
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
            Note ??= $"the gradient of '{_parts.Parameters[parameter].Name}' is sent only after backward: the model uses it outside of the calls of its module";
        }
        if (++_verified < Verifications) return;
        for (var parameter = 0; parameter < _isLate.Length; parameter++)
            if (_isLate[parameter]) _firstCalls[parameter] = -1;
        _order = new(_parts, _firstCalls, _reached);
    }

    private void RequireUnchanged()
    {
        if (_samples.Changed(_contribution.Floats) is not (>= 0 and var parameter)) return;
        throw new InvalidOperationException(
            $"The gradient of '{_parts.Parameters[parameter].Name}' changed after its slice was sent: the model uses it outside of the calls of its " +
            $"module, but did not in the first {Verifications} micro-batches. Use it so from the first micro-batch on, or only through its module.");
    }
}
