using System.Numerics;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>What brings the channels of a convolution to one scale, with PyTorch's default parameters.</summary>
internal static class Norms
{
    /// <summary>The name of none.</summary>
    public const string None = "none";

    private const int Groups = 8;

    private static readonly Dictionary<string, Func<int, Module<Tensor, Tensor>?>> _known = new(StringComparer.Ordinal)
    {
        // Over the samples of a micro-batch (Ioffe and Szegedy 2015).
        ["batch"] = static channels => BatchNorm2d(channels),
        // Over groups of channels of one sample (Wu and He 2018): as many groups as divide the channels, at most eight.
        ["group"] = static channels => Group(channels),
        [None] = static _ => null,
    };

    /// <summary>The module of a name for so many channels; null for none.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static Module<Tensor, Tensor>? Of(string name, int channels) => _known.TryGetValue(name, out var create) ? create(channels)
        : throw new ArgumentException($"Unknown norm '{name}'; allowed: {string.Join(", ", _known.Keys)}.", nameof(name));

    private static GroupNorm Group(int channels)
    {
        var norm = GroupNorm((long)BigInteger.GreatestCommonDivisor(channels, Groups), channels);
        // TorchSharp 0.107 leaves in them what lay in memory; PyTorch does this.
        init.ones_(norm.weight!);
        init.zeros_(norm.bias!);
        return norm;
    }
}
