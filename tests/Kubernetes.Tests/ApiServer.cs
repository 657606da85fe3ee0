using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Distributed.EndToEnd.Tests;
using Distributed.Hosting.Security;

namespace Distributed.Kubernetes.Tests;

/// <summary>A Kubernetes API server for Secrets, with one service account that may create any and get some.</summary>
internal sealed class ApiServer : IDisposable
{
    private const string Namespace = "distributed", AccountToken = "the token of a service account";

    private readonly Socket _listener;
    private readonly TemporaryFolder _files = new();
    private readonly X509Certificate2 _certificate;
    private readonly string[] _readable;

    /// <param name="readable">The names of the readable Secrets.</param>
    public ApiServer(Socket socket, IPAddress address, params string[] readable)
    {
        (_listener, _readable) = (socket, readable);
        _listener.Bind(new IPEndPoint(address, 0));
        _listener.Listen();
        var (from, until) = (DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        using var authority = CertificateAuthority.Create(from, until);
        var issued = authority.Issue([$"{address}"], from, until);
        _certificate = X509Certificate2.CreateFromPem(issued.Certificate, issued.Key);
        foreach (var (name, text) in new[] { ("ca.crt", authority.Pem), ("token", AccountToken), ("namespace", Namespace) })
            File.WriteAllText(_files[name], text);
        _ = RunAsync();
    }

    /// <summary>The address in the variables of a pod.</summary>
    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndPoint!;

    /// <summary>The folder that a pod has mounted.</summary>
    public string Account => _files.Path;

    /// <summary>The created Secrets by name.</summary>
    public ConcurrentDictionary<string, JsonNode> Secrets { get; } = new(StringComparer.Ordinal);

    public byte[] FileOf(string secret, string name) => Convert.FromBase64String((string)Secrets[secret]["data"]![name]!);

    public void Dispose()
    {
        _listener.Dispose();
        _certificate.Dispose();
        _files.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptAsync());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await using var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await stream.AuthenticateAsServerAsync(_certificate);
            using var reader = new StreamReader(stream, Encoding.Latin1);
            while (await reader.ReadLineAsync() is { Length: > 0 } request)
            {
                Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
                while (await reader.ReadLineAsync() is { Length: > 0 } header)
                {
                    var colon = header.IndexOf(':', StringComparison.Ordinal);
                    headers[header[..colon]] = header[(colon + 1)..].Trim();
                }
                var body = await BodyAsync(reader, headers);
                var isAuthorized = headers.GetValueOrDefault("Authorization") == $"Bearer {AccountToken}";
                var (status, answer) = isAuthorized ? Answer(request.Split(' '), body) : (401, "{}");
                var head = $"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {answer.Length}\r\n\r\n";
                await stream.WriteAsync(Encoding.Latin1.GetBytes(head + answer));
            }
        }
        catch (Exception error) when (error is IOException or System.Security.Authentication.AuthenticationException)
        {
            // The client has gone.
        }
    }

    /// <summary>HttpClient sends JSON in chunks.</summary>
    private static async Task<string> BodyAsync(StreamReader reader, Dictionary<string, string> headers)
    {
        if (!headers.ContainsKey("Transfer-Encoding"))
            return await TakeAsync(reader,
                int.Parse(headers.GetValueOrDefault("Content-Length", "0"), System.Globalization.CultureInfo.InvariantCulture));
        var body = new StringBuilder();
        while (Convert.ToInt32(await reader.ReadLineAsync(), 16) is > 0 and var size)
        {
            body.Append(await TakeAsync(reader, size));
            await reader.ReadLineAsync();
        }
        await reader.ReadLineAsync();
        return $"{body}";
    }

    private static async Task<string> TakeAsync(StreamReader reader, int count)
    {
        // Reading 0 characters would wait for the next request.
        if (count == 0) return "";
        var text = new char[count];
        await reader.ReadBlockAsync(text);
        return new(text);
    }

    private (int Status, string Answer) Answer(string[] request, string body)
    {
        const string Path = $"/api/v1/namespaces/{Namespace}/secrets";
        switch (request)
        {
            case ["GET", var path, _] when path.StartsWith($"{Path}/", StringComparison.Ordinal):
                var name = path[(Path.Length + 1)..];
                return !_readable.Contains(name) ? (403, "{}")
                    : Secrets.TryGetValue(name, out var secret) ? (200, secret.ToJsonString()) : (404, "{}");
            case ["POST", Path, _]:
                var created = JsonNode.Parse(body)!;
                return Secrets.TryAdd((string)created["metadata"]!["name"]!, created) ? (201, body) : (409, "{}");
            default:
                return (403, "{}");
        }
    }
}
