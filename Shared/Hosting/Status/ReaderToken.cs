using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Distributed.Hosting.Status;

/// <summary>
/// What whoever reads a page from another machine must hold. It stands in the address that is printed; the browser keeps it as a cookie, so that it
/// is in no link of the page. It only lets read: nothing follows from it about the token of the job.
/// </summary>
internal sealed class ReaderToken
{
    public const string Parameter = "token";

    private const int Bytes = 16;

    private readonly byte[] _token;

    private ReaderToken(byte[] token) => _token = token;

    public static ReaderToken New() => new(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>That of a job: the same whenever its coordinator is started.</summary>
    /// <param name="job">The token of the job, which cannot be told from this one.</param>
    public static ReaderToken Of(ReadOnlySpan<byte> job) => new(HMACSHA256.HashData(job, "distributed: to read the live page"u8)[..Bytes]);

    public override string ToString() => Convert.ToHexStringLower(_token);

    /// <summary>Whether a request may be answered. How long that takes tells nothing about the token.</summary>
    public bool Admits(HttpRequest request) =>
        Is(request.Cookies[CookieOf(request)]) || (request.Headers.Authorization is [{ } header] && header.StartsWith($"{StatusCommand.Scheme} ", StringComparison.OrdinalIgnoreCase) && Is(header[(StatusCommand.Scheme.Length + 1)..]));

    /// <summary>Whether a request shows the token in its address: it is answered by <see cref="Keep"/>.</summary>
    public bool IsShown(HttpRequest request) => request.Query[Parameter] is [{ } shown] && Is(shown);

    /// <summary>Has the browser keep the token, and ask again without it in the address.</summary>
    public void Keep(HttpContext context)
    {
        context.Response.Cookies.Append(CookieOf(context.Request), ToString(), new() { HttpOnly = true, SameSite = SameSiteMode.Strict, Path = "/" });
        context.Response.Redirect(context.Request.Path.Value is { Length: > 0 } path && !path.StartsWith("//", StringComparison.Ordinal) ? path : "/");
    }

    // Cookies do not tell ports apart, and several runs may be shown on one machine.
    private static string CookieOf(HttpRequest request) => $"distributed-{request.HttpContext.Connection.LocalPort}";

    private bool Is(string? text) => text is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text), Encoding.UTF8.GetBytes(ToString()));
}
