using System.Security.Cryptography;

namespace Distributed.Hosting.Status;

internal readonly record struct StatusAnswer(int Status, string Text);

/// <summary>
/// The one thing that a process can be asked to do over its <see cref="StatusServer"/>: POST PATH?PARAMETER=VALUE, by whoever holds a
/// token, as Authorization: Bearer and the token in hexadecimal digits.
/// </summary>
/// <param name="Path">Path of the command, such as /drain.</param>
/// <param name="Parameter">Name of what it is given.</param>
/// <param name="Token">What the caller must hold.</param>
/// <param name="RunAsync">Carries it out. May take its time; cancelled when the caller is gone.</param>
/// <param name="Refused">Is told of each caller who does not hold the token.</param>
internal sealed record StatusCommand(
    string Path, string Parameter, ReadOnlyMemory<byte> Token, Func<string, CancellationToken, Task<StatusAnswer>> RunAsync, Action Refused)
{
    public const string Scheme = "Bearer";

    /// <summary>Whether the header of a request proves that the caller holds the token. How long that takes tells nothing about it.</summary>
    public bool Allows(string? authorization)
    {
        if (authorization is null || !authorization.StartsWith($"{Scheme} ", StringComparison.OrdinalIgnoreCase)) return false;
        var digits = authorization.AsSpan(Scheme.Length + 1);
        var token = new byte[Token.Length];
        return digits.Length == 2 * token.Length && Convert.FromHexString(digits, token, out _, out _) == System.Buffers.OperationStatus.Done
            && CryptographicOperations.FixedTimeEquals(token, Token.Span);
    }
}
