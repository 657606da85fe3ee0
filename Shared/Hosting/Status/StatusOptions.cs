using System.Buffers;
using System.Collections.ObjectModel;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Distributed.Hosting.Status;

/// <summary>What a <see cref="StatusServer"/> serves in addition to metrics and probes, and to whom.</summary>
internal sealed record StatusOptions
{
    public StatusCommand? Command { get; init; }

    /// <summary>By exact path, the answers to GET and HEAD. Read for every request, from any thread.</summary>
    public IReadOnlyDictionary<string, RequestDelegate> Pages { get; init; } = ReadOnlyDictionary<string, RequestDelegate>.Empty;

    public HostNames Names { get; init; } = new();
    public ReaderToken? Token { get; init; } // Null if every client that reaches the server may read.

    /// <summary>Whether <see cref="Pages"/> is complete; until then the server answers 503 instead of 404.</summary>
    public Func<bool> IsComplete { get; init; } = () => true;
}

internal readonly record struct StatusAnswer(int Status, string Text);

/// <summary>The command of a <see cref="StatusServer"/>: POST PATH?PARAMETER=VALUE, with the token in hexadecimal digits as
/// Bearer.</summary>
/// <param name="RunAsync">Runs the command with its value. Cancelled when the caller disconnects.</param>
/// <param name="Refused">Called for each caller without the token.</param>
internal sealed record StatusCommand(
    string Path, string Parameter, ReadOnlyMemory<byte> Token, Func<string, CancellationToken, Task<StatusAnswer>> RunAsync, Action Refused)
{
    public const string Scheme = "Bearer";

    /// <summary>Compares in constant time.</summary>
    public bool Allows(string? authorization)
    {
        var token = new byte[Token.Length];
        return BearerOf(authorization) is { } digits && digits.Length == 2 * token.Length
            && Convert.FromHexString(digits, token, out _, out _) == OperationStatus.Done
            && CryptographicOperations.FixedTimeEquals(token, Token.Span);
    }

    /// <summary>The token in an Authorization header; null if it has another scheme.</summary>
    internal static string? BearerOf(string? authorization) =>
        authorization?.StartsWith($"{Scheme} ", StringComparison.OrdinalIgnoreCase) == true ? authorization[(Scheme.Length + 1)..] : null;
}

/// <summary>Whether a process can work, for /readyz. Safe from every thread.</summary>
internal sealed class Readiness(string initially)
{
    private volatile string? _notReady = initially;

    public string? NotReady { get => _notReady; set => _notReady = value; } // Null if it is ready.
}

/// <summary>The host names of a server: localhost, the machine's name, given names, and the address of each connection. This stops DNS
/// rebinding: a page of another site, whose name resolves to this machine, sends a request under that name, which is refused.</summary>
internal sealed class HostNames
{
    private readonly HashSet<string> _names;

    /// <param name="names">Without ports; null and empty ones are skipped.</param>
    public HostNames(params IEnumerable<string?> names)
    {
        var given = names.Where(name => !string.IsNullOrEmpty(name)).Select(name => Normalized(name!));
        _names = new(given.Concat(["localhost", Environment.MachineName]), StringComparer.OrdinalIgnoreCase);
    }

    public IEnumerable<string> Names => _names.Order(StringComparer.Ordinal);

    /// <param name="host">The header Host without its port; empty if an old client sends none, which no browser does.</param>
    /// <param name="local">The address at which the connection arrived.</param>
    public bool Allows(string host, IPAddress? local)
    {
        if (host.Length == 0) return true;
        var name = Normalized(host);
        if (_names.Contains(name)) return true;
        if (!IPAddress.TryParse(name, out var address)) return false;
        return IPAddress.IsLoopback(address) || (local is not null && Plain(address).Equals(Plain(local)));
    }

    private static string Normalized(string name)
    {
        var bare = name.Trim('[', ']').TrimEnd('.');
        return IPAddress.TryParse(bare, out var address) ? $"{Plain(address)}" : bare;
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}

/// <summary>Proves that a reader on another machine may read the page. The printed address contains it; the browser keeps it as a cookie,
/// so that no link of the page has it. It gives no other rights, and the token of the job cannot be derived from it.</summary>
internal sealed class ReaderToken
{
    public const string Parameter = "token";

    private const int Bytes = 16;

    private readonly byte[] _token;

    private ReaderToken(byte[] token) => _token = token;

    public static ReaderToken New() => new(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>The token of a job, which stays the same when its coordinator restarts.</summary>
    public static ReaderToken Of(ReadOnlySpan<byte> job) => new(HMACSHA256.HashData(job, "distributed: to read the live page"u8)[..Bytes]);

    public override string ToString() => Convert.ToHexStringLower(_token);

    public bool Admits(HttpRequest request) =>
        Is(request.Cookies[CookieOf(request)]) || (request.Headers.Authorization is [{ } header] && Is(StatusCommand.BearerOf(header)));

    /// <summary>Whether the address of a request has the token; <see cref="Keep"/> answers it.</summary>
    public bool IsShown(HttpRequest request) => request.Query[Parameter] is [{ } shown] && Is(shown);

    /// <summary>Makes the browser store the token and request the page again without the token in the address.</summary>
    public void Keep(HttpContext context)
    {
        context.Response.Cookies.Append(CookieOf(context.Request), ToString(),
            new() { HttpOnly = true, SameSite = SameSiteMode.Strict, Path = "/" });
        var isLocal = context.Request.Path.Value is { Length: > 0 } path && !path.StartsWith("//", StringComparison.Ordinal);
        context.Response.Redirect(isLocal ? context.Request.Path.Value! : "/");
    }

    // Cookies are shared by all ports of a machine, which may show several runs.
    private static string CookieOf(HttpRequest request) => $"distributed-{request.HttpContext.Connection.LocalPort}";

    // In constant time.
    private bool Is(string? text) =>
        text is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text), Encoding.UTF8.GetBytes(ToString()));
}
