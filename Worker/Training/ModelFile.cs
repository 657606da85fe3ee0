using Distributed.Jobs.State;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>Loads the tensors of a trained model, as in <c>model.safetensors</c>, into a module.</summary>
internal static class ModelFile
{
    /// <summary>Overwrites the parameters and buffers of a module. Tensors that do not fit change nothing.</summary>
    /// <param name="module">On the CPU; its floating-point tensors are float32.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, has another type or shape, or is unknown to the module.</exception>
    public static void Load(nn.Module module, IReadOnlyCollection<TensorData> tensors)
    {
        var unused = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        List<(Tensor Into, TensorData From)> found = [];
        foreach (var (name, tensor) in StateDict.Entries(module))
        {
            var dtype = tensor.dtype == ScalarType.Float32 ? "F32" : "I64";
            var expected = $"{dtype}[{string.Join(",", tensor.shape)}]";
            if (!unused.Remove(name, out var data)) throw new InvalidDataException($"it has no {name}, which should be {expected}");
            if (data.DType != dtype || !data.Shape.SequenceEqual(tensor.shape))
                throw new InvalidDataException($"its {name} is {data.DType}[{string.Join(",", data.Shape)}] and should be {expected}");
            found.Add((tensor, data));
        }
        if (unused.Count > 0)
            throw new InvalidDataException($"it has {unused.Keys.Min(StringComparer.Ordinal)}, which the model does not have");
        using var noGradient = no_grad();
        foreach (var (into, from) in found)
        {
            // As in the file: contiguous, integers in 64 bits.
            using var values = empty(into.shape, from.DType == "F32" ? ScalarType.Float32 : ScalarType.Int64);
            from.Data.Span.CopyTo(values.bytes);
            into.copy_(values);
        }
    }
}

/// <summary>The tensors of a module with the names and in the order of PyTorch's <c>state_dict</c>.</summary>
internal static class StateDict
{
    /// <summary>
    /// Visits the module and then its children, each with its parameters before its buffers. TorchSharp's own state_dict puts all
    /// parameters before all buffers, so its order differs from PyTorch's.
    /// </summary>
    public static IEnumerable<(string Name, Tensor Tensor)> Entries(nn.Module module, string prefix = "")
    {
        foreach (var (name, parameter) in module.named_parameters(recurse: false)) yield return (prefix + name, parameter);
        foreach (var (name, buffer) in module.named_buffers(recurse: false)) yield return (prefix + name, buffer);

        // A TorchScript module lists its children's tensors as its own, and returns new child objects at every call.
        if (module is jit.ScriptModule) yield break;
        foreach (var (name, child) in module.named_children())
            foreach (var entry in Entries(child, $"{prefix}{name}.")) yield return entry;
    }
}
