using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Cluster;

/// <summary>A Secret of Kubernetes that holds the join token, made by the first who asks. Uses the rights of the pod's service account.</summary>
internal sealed class ClusterSecret : IDisposable
{
    /// <summary>Where the kubelet mounts what a pod needs to speak with the API server.</summary>
    public const string AccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

    private const string HostVariable = "KUBERNETES_SERVICE_HOST", PortVariable = "KUBERNETES_SERVICE_PORT";

    /// <summary>Of an answer of the API server. A Secret has 1 MiB at most.</summary>
    private const int MaxAnswerBytes = 4 << 20;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private readonly string _name;
    private readonly string _namespace;
    private readonly HttpClient _client;

    private ClusterSecret(string name, string @namespace, HttpClient client) => (_name, _namespace, _client) = (name, @namespace, client);

    /// <summary>The Secret of a name in the pod's namespace.</summary>
    /// <param name="account">See <see cref="AccountFolder"/>.</param>
    /// <exception cref="JoinTokenException">This process is in no pod that may speak with the API server.</exception>
    public static ClusterSecret Of(string name, string account = AccountFolder)
    {
        if (Environment.GetEnvironmentVariable(HostVariable) is not { Length: > 0 } host || Environment.GetEnvironmentVariable(PortVariable) is not { Length: > 0 } port)
            throw new JoinTokenException($"--secret needs a pod of Kubernetes: {HostVariable} and {PortVariable} are not set");
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(Path.Combine(account, "ca.crt"));
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
            policy.CustomTrustStore.AddRange(authorities);
#pragma warning disable CA2000 // The client disposes it.
            var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, SslOptions = { CertificateChainPolicy = policy } };
#pragma warning restore CA2000
            var client = new HttpClient(handler) { BaseAddress = new UriBuilder(Uri.UriSchemeHttps, host, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture)).Uri, Timeout = _patience, MaxResponseContentBufferSize = MaxAnswerBytes };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(account, "token")).Trim());
            return new(name, File.ReadAllText(Path.Combine(account, "namespace")).Trim(), client);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException or FormatException)
        {
            throw new JoinTokenException($"the service account of this pod cannot be read in '{account}': {error.Message}", error);
        }
    }

    /// <summary>The token in the Secret, which is made where there is none. Of two that make it at once, both get the same.</summary>
    /// <exception cref="JoinTokenException">The API server cannot be reached or refuses, or the Secret holds no token.</exception>
    public async Task<JoinToken> GetOrCreateAsync(CancellationToken cancellation)
    {
        try
        {
            if (await GetAsync(cancellation).ConfigureAwait(false) is { } token) return token;
            if (await CreateAsync(cancellation).ConfigureAwait(false) is { } created) return created;
            return await GetAsync(cancellation).ConfigureAwait(false) ?? throw new JoinTokenException($"the Secret '{_name}' was deleted while it was made");
        }
        catch (Exception error) when (error is HttpRequestException or JsonException or TaskCanceledException { InnerException: TimeoutException })
        {
            throw new JoinTokenException($"the API server at {_client.BaseAddress} cannot be asked for the Secret '{_name}': {error.Message}", error);
        }
    }

    public void Dispose() => _client.Dispose();

    private string Secrets => $"/api/v1/namespaces/{Uri.EscapeDataString(_namespace)}/secrets";

    private async Task<JoinToken?> GetAsync(CancellationToken cancellation)
    {
        using var answer = await _client.GetAsync(new Uri($"{Secrets}/{Uri.EscapeDataString(_name)}", UriKind.Relative), cancellation).ConfigureAwait(false);
        if (answer.StatusCode == HttpStatusCode.NotFound) return null;
        if (answer.StatusCode != HttpStatusCode.OK) throw Refused("get", answer.StatusCode);
        var secret = await answer.Content.ReadFromJsonAsync<JsonNode>(cancellation).ConfigureAwait(false);
        return Token(secret) ?? throw new JoinTokenException($"the Secret '{_name}' has no '{JoinTokenFile.Name}' that holds a join token. Delete it, and another one is made");
    }

    /// <returns>Null where somebody else has made it meanwhile.</returns>
    private async Task<JoinToken?> CreateAsync(CancellationToken cancellation)
    {
        var token = JoinToken.Create();
        var secret = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Secret",
            ["metadata"] = new JsonObject { ["name"] = _name, ["labels"] = new JsonObject { ["app.kubernetes.io/part-of"] = "distributed" } },
            ["type"] = "Opaque",
            ["immutable"] = true,
            ["data"] = new JsonObject { [JoinTokenFile.Name] = Convert.ToBase64String(Encoding.ASCII.GetBytes(token.ToText() + "\n")) },
        };
        using var answer = await _client.PostAsJsonAsync(new Uri(Secrets, UriKind.Relative), secret, cancellation).ConfigureAwait(false);
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
            return secret is JsonObject && secret["data"] is JsonObject data && data[JoinTokenFile.Name] is JsonValue value && value.TryGetValue<string>(out var text)
                ? JoinToken.Parse(Encoding.ASCII.GetString(Convert.FromBase64String(text)))
                : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private JoinTokenException Refused(string verb, HttpStatusCode status) => new(status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized
        ? $"the service account of this pod may not {verb} the Secret '{_name}' in the namespace '{_namespace}' ({(int)status}): the Role 'join-token' of k8s/base allows that"
        : $"the API server answers {(int)status} instead of a Secret '{_name}'");
}
