using Distributed.Jobs.State;

namespace Distributed.Coordinator.Runs;

/// <summary>A replica's state in two parts that each are a file of their own: the model, its tensors under their module names, and what the optimizer remembers.</summary>
internal sealed record StateParts(IReadOnlyList<TensorData> Model, IReadOnlyList<TensorData> Optimizer)
{
    private const string ModelPrefix = "model.";
    private const string OptimizerPrefix = "optimizer.";

    /// <summary>Takes a state apart; the parts are views of it.</summary>
    /// <exception cref="SafetensorsException">The bytes are no state.</exception>
    public static StateParts Of(ReadOnlyMemory<byte> state)
    {
        var tensors = Safetensors.Read(state).Tensors;
        return new(Under(ModelPrefix), Under(OptimizerPrefix));

        IReadOnlyList<TensorData> Under(string prefix) =>
            [.. tensors.Where(t => t.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(t => t with { Name = t.Name[prefix.Length..] })];
    }

    /// <summary>Puts the state together again, byte for byte.</summary>
    public byte[] ToState() => Safetensors.ToBytes(
        [.. Model.Select(t => t with { Name = ModelPrefix + t.Name }), .. Optimizer.Select(t => t with { Name = OptimizerPrefix + t.Name })]);
}
