using Distributed.Jobs.State;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>A trained model's tensors, as a run leaves them in <c>model.safetensors</c>, in a module.</summary>
internal static class ModelFile
{
    /// <summary>Overwrites the parameters and buffers of a module. One that is refused has changed nothing.</summary>
    /// <param name="module">On the CPU; its floating-point tensors are float32.</param>
    /// <param name="tensors">Named like PyTorch's state_dict.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, has another type or shape, or is none of the module's.</exception>
    public static void Load(nn.Module module, IReadOnlyCollection<TensorData> tensors)
    {
        ArgumentNullException.ThrowIfNull(module);
        var strangers = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        List<(Tensor Into, TensorData From)> found = [];
        foreach (var (name, tensor) in StateDict.Entries(module))
        {
            var dtype = tensor.dtype == ScalarType.Float32 ? "F32" : "I64";
            if (!strangers.Remove(name, out var data))
                throw new InvalidDataException($"it has no {name}, which should be {dtype}[{string.Join(",", tensor.shape)}]");
            if (data.DType != dtype || !data.Shape.SequenceEqual(tensor.shape))
                throw new InvalidDataException($"its {name} is {data.DType}[{string.Join(",", data.Shape)}] and should be {dtype}[{string.Join(",", tensor.shape)}]");
            found.Add((tensor, data));
        }
        if (strangers.Count > 0) throw new InvalidDataException($"it has {strangers.Keys.Min(StringComparer.Ordinal)}, which the model has not");
        using var noGradient = no_grad();
        foreach (var (into, from) in found)
        {
            // As it is kept in a file: one number behind the other, whole ones in 64 bits.
            using var values = empty(into.shape, from.DType == "F32" ? ScalarType.Float32 : ScalarType.Int64);
            from.Data.Span.CopyTo(values.bytes);
            into.copy_(values);
        }
    }
}
