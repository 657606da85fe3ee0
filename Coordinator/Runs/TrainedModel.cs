using System.Security.Cryptography;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Runs;

/// <summary>The two parts of a replica's state, each with its own file: the model and the optimizer's state.</summary>
internal sealed record StateParts(IReadOnlyList<TensorData> Model, IReadOnlyList<TensorData> Optimizer)
{
    private const string ModelPrefix = "model.";
    private const string OptimizerPrefix = "optimizer.";

    public static StateParts Of(ReadOnlyMemory<byte> state)
    {
        var tensors = Safetensors.Read(state).Tensors;
        return new(Under(ModelPrefix), Under(OptimizerPrefix));

        IReadOnlyList<TensorData> Under(string prefix) =>
        [
            .. tensors.Where(t => t.Name.StartsWith(prefix, StringComparison.Ordinal))
                .Select(t => t with { Name = t.Name[prefix.Length..] }),
        ];
    }

    /// <summary>Inverse of <see cref="Of"/>, byte for byte.</summary>
    public byte[] ToState() => Safetensors.ToBytes(
    [
        .. Model.Select(t => t with { Name = ModelPrefix + t.Name }),
        .. Optimizer.Select(t => t with { Name = OptimizerPrefix + t.Name }),
    ]);
}

internal sealed class TrainedModel
{
    private readonly IReadOnlyList<TensorData> _tensors;

    private TrainedModel(IReadOnlyList<TensorData> tensors, string parametersSha256) =>
        (_tensors, ParametersSha256) = (tensors, parametersSha256);

    public string ParametersSha256 { get; } // SHA-256 of the tensors' bytes in the order of the file.

    public static TrainedModel Of(ReadOnlyMemory<byte> state)
    {
        var tensors = StateParts.Of(state).Model;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in tensors) hash.AppendData(tensor.Data.Span);
        return new(tensors, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    public void Write(Stream stream) => Safetensors.Write(stream, _tensors);
}
