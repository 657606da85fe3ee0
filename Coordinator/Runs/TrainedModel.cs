using System.Security.Cryptography;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Runs;

/// <summary>The model out of a replica's state: parameters and buffers under their module names.</summary>
internal sealed class TrainedModel
{
    private readonly IReadOnlyList<TensorData> _tensors;

    private TrainedModel(IReadOnlyList<TensorData> tensors, string parametersSha256) => (_tensors, ParametersSha256) = (tensors, parametersSha256);

    /// <summary>SHA-256 of the tensors' bytes, one behind the other in the order of the file.</summary>
    public string ParametersSha256 { get; }

    /// <exception cref="SafetensorsException">The bytes are no state.</exception>
    public static TrainedModel Of(ReadOnlyMemory<byte> state)
    {
        var tensors = StateParts.Of(state).Model;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in tensors) hash.AppendData(tensor.Data.Span);
        return new(tensors, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    public void Write(Stream stream) => Safetensors.Write(stream, _tensors);
}
