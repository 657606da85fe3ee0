using System.Globalization;

namespace Distributed.Core.Protocol;

/// <summary>XxHash128 of a replica's parameters and buffers: equal on equal replicas.</summary>
/// <param name="High">The upper 64 bits.</param>
/// <param name="Low">The lower 64 bits.</param>
public readonly record struct StateDigest(ulong High, ulong Low)
{
    /// <summary>From the number that the hash is.</summary>
    public static StateDigest Of(UInt128 hash) => new((ulong)(hash >> 64), (ulong)hash);

    /// <summary>From 32 hexadecimal digits.</summary>
    /// <exception cref="FormatException">They are none.</exception>
    public static StateDigest Parse(string text) => Of(UInt128.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));

    /// <summary>32 hexadecimal digits.</summary>
    public override string ToString() => $"{High:x16}{Low:x16}";
}
