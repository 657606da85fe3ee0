using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>What follows a hidden layer, with PyTorch's default parameters.</summary>
internal static class Activations
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> _known = new(StringComparer.Ordinal)
    {
        ["relu"] = static x => functional.relu(x),
        ["leaky-relu"] = static x => functional.leaky_relu(x, 0.01),
        ["elu"] = static x => functional.elu(x, 1),
        ["gelu"] = static x => functional.gelu(x),
        ["silu"] = static x => functional.silu(x),
        ["tanh"] = static x => functional.tanh(x),
        ["sigmoid"] = static x => functional.sigmoid(x),
    };

    /// <exception cref="ArgumentException">There is none.</exception>
    public static Func<Tensor, Tensor> Of(string name) => _known.TryGetValue(name, out var function) ? function
        : throw new ArgumentException($"Unknown activation '{name}'; allowed: {string.Join(", ", _known.Keys)}.", nameof(name));
}
