namespace Distributed.Core.Protocol;

/// <summary>Where a process is reached by the tensor links of others.</summary>
/// <param name="Host">Name or address, 1 to 255 ASCII characters.</param>
/// <param name="Port">1 to 65535.</param>
public readonly record struct LinkEndpoint(string Host, int Port)
{
    /// <summary>Characters that a host may have: the longest name there is (RFC 1035).</summary>
    public const int MaxHostLength = 255;

    /// <summary>Whether one could connect to it.</summary>
    public bool IsValid => Host is { Length: >= 1 and <= MaxHostLength } && System.Text.Ascii.IsValid(Host) && Port is >= 1 and <= 65_535;

    /// <inheritdoc/>
    public override string ToString() => $"{Host}:{Port}";
}
