using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Cluster;

// A Secret of Kubernetes with the join token. The first process that asks creates it. Uses the rights of the pod's service account.
internal sealed class ClusterSecret : IDisposable
{
    // Where the kubelet mounts the credentials of the API server.
    private const string AccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

    private const string HostVariable = "KUBERNETES_SERVICE_HOST", PortVariable = "KUBERNETES_SERVICE_PORT";

    private const int MaxAnswerBytes = 4 << 20; // A Secret has at most 1 MiB.

    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(30);

    private readonly string _name;
    private readonly string _namespace;
    private readonly HttpClient _client;

    private ClusterSecret(string name, string @namespace, HttpClient client) => (_name, _namespace, _client) = (name, @namespace, client);

    public static ClusterSecret Of(string name)
    {
        if (Environment.GetEnvironmentVariable(HostVariable) is not { Length: > 0 } host
            || Environment.GetEnvironmentVariable(PortVariable) is not { Length: > 0 } port)
            throw new JoinTokenException($"--secret needs a pod of Kubernetes: {HostVariable} and {PortVariable} are not set");
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(Path.Combine(AccountFolder, "ca.crt"));
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            };
            policy.CustomTrustStore.AddRange(authorities);
#pragma warning disable CA2000 // The client disposes it.
            var handler = new SocketsHttpHandler
            {
                UseProxy = false,
                AllowAutoRedirect = false,
                SslOptions = { CertificateChainPolicy = policy },
            };
#pragma warning restore CA2000
            var client = new HttpClient(handler)
            {
                BaseAddress = new UriBuilder(Uri.UriSchemeHttps, host, int.Parse(port, CultureInfo.InvariantCulture)).Uri,
                Timeout = _timeout,
                MaxResponseContentBufferSize = MaxAnswerBytes,
            };
            client.DefaultRequestHeaders.Authorization = new("Bearer", File.ReadAllText(Path.Combine(AccountFolder, "token")).Trim());
            return new(name, File.ReadAllText(Path.Combine(AccountFolder, "namespace")).Trim(), client);
        }
        catch (Exception error) when (StorageError.Is(error) || error is CryptographicException or FormatException)
        {
            throw new JoinTokenException($"the service account of this pod cannot be read in '{AccountFolder}': {error.Message}", error);
        }
    }

    /// <summary>The token in the Secret, which is created if missing. Two processes that create it at once get the same token.</summary>
    public async Task<JoinToken> GetOrCreateAsync(CancellationToken cancellation)
    {
        try
        {
            if (await GetAsync(cancellation).ConfigureAwait(false) is { } token) return token;
            if (await CreateAsync(cancellation).ConfigureAwait(false) is { } created) return created;
            return await GetAsync(cancellation).ConfigureAwait(false)
                ?? throw new JoinTokenException($"the Secret '{_name}' was deleted while it was made");
        }
        catch (Exception error)
            when (error is HttpRequestException or JsonException or TaskCanceledException { InnerException: TimeoutException })
        {
            throw new JoinTokenException(
                $"the API server at {_client.BaseAddress} cannot be asked for the Secret '{_name}': {error.Message}", error);
        }
    }

    public void Dispose() => _client.Dispose();

    private string Secrets => $"/api/v1/namespaces/{Uri.EscapeDataString(_namespace)}/secrets";

    private async Task<JoinToken?> GetAsync(CancellationToken cancellation)
    {
        var path = new Uri($"{Secrets}/{Uri.EscapeDataString(_name)}", UriKind.Relative);
        using var answer = await _client.GetAsync(path, cancellation).ConfigureAwait(false);
        if (answer.StatusCode == HttpStatusCode.NotFound) return null;
        if (answer.StatusCode != HttpStatusCode.OK) throw Refused("get", answer.StatusCode);
        var secret = await answer.Content.ReadFromJsonAsync<JsonNode>(cancellation).ConfigureAwait(false);
        return Token(secret) ?? throw new JoinTokenException(
            $"the Secret '{_name}' has no '{JoinTokenFile.Name}' that holds a join token. Delete it, and another one is made");
    }

    // Returns null if another process has created it meanwhile.
    private async Task<JoinToken?> CreateAsync(CancellationToken cancellation)
    {
        var token = JoinToken.Create();
        var secret = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Secret",
            ["metadata"] = new JsonObject
            {
                ["name"] = _name,
                ["labels"] = new JsonObject { ["app.kubernetes.io/part-of"] = "distributed" },
            },
            ["type"] = "Opaque",
            ["immutable"] = true,
            ["data"] = new JsonObject { [JoinTokenFile.Name] = Convert.ToBase64String(Encoding.ASCII.GetBytes(token.ToText() + "\n")) },
        };
        var path = new Uri(Secrets, UriKind.Relative);
        using var answer = await _client.PostAsJsonAsync(path, secret, cancellation).ConfigureAwait(false);
        return answer.StatusCode switch
        {
            HttpStatusCode.Created => token,
            HttpStatusCode.Conflict => null,
            var other => throw Refused("create", other),
        };
    }

    private static JoinToken? Token(JsonNode? secret)
    {
        try
        {
            return secret is JsonObject && secret["data"] is JsonObject data
                && data[JoinTokenFile.Name] is JsonValue value && value.TryGetValue<string>(out var text)
                ? JoinToken.Parse(Encoding.ASCII.GetString(Convert.FromBase64String(text)))
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private JoinTokenException Refused(string verb, HttpStatusCode status) =>
        new(status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized
            ? $"the service account of this pod may not {verb} the Secret '{_name}' in the namespace '{_namespace}' ({(int)status}): "
                + "the Role 'join-token' of k8s/base allows that"
            : $"the API server answers {(int)status} instead of a Secret '{_name}'");
}
