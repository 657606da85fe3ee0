using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Distributed.Coordinator.Commands;
using Distributed.EndToEnd.Tests;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Hosting.Security;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>The Secret with the join token: no manifest holds it, the coordinator's pod creates it.</summary>
public sealed class JoinTokenTests : IDisposable
{
    private const string Secret = "distributed-token";

    private readonly TemporaryFolder _folder = new();
    private readonly ApiServer _server = new(new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), IPAddress.Loopback,
        Secret);

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_token_is_created_once_and_every_pod_gets_the_same()
    {
        // Two at once, as when a coordinator moves to another node; then a restarted one.
        using (ProgramRun first = Init("first"), second = Init("second"))
            foreach (var program in new[] { first, second }) await program.EndsWithAsync(0);
        using (var again = Init("first")) await again.EndsWithAsync(0);
        var tokens = ((string[])["first", "second"]).Select(name => JoinTokenFile.Read(_folder[name]).ToText()).ToHashSet();
        Assert.Equal(Assert.Single(tokens), Encoding.ASCII.GetString(_server.FileOf(Secret, JoinTokenFile.Name)).Trim());
        Assert.Equal("Opaque", (string?)_server.Secrets[Secret]["type"]);
    }

    [Theory]
    [InlineData("other", "the service account of this pod may not get the Secret 'other' in the namespace 'distributed' (403): "
        + "the Role 'join-token' of k8s/base allows that")]
    [InlineData(Secret, "the Secret 'distributed-token' has no 'join.token' that holds a join token. Delete it, and another one is made")]
    public async Task An_unusable_secret_is_reported(string secret, string expected)
    {
        _server.Secrets[Secret] = new JsonObject { ["data"] = new JsonObject { [JoinTokenFile.Name] = "aHVudGVyMg==" } };
        using var init = Init("token", secret);
        await init.EndsWithAsync(2);
        Assert.Equal([$"error: {expected}"], init.Errors);
        Assert.False(File.Exists(_folder["token"]));
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("gpu")]
    public async Task The_pods_share_the_secret_and_only_the_coordinator_may_create_it(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        Assert.Empty(manifests.All<V1Secret>());
        using var coordinator = new Pod(manifests, manifests.One<V1StatefulSet>("coordinator"));
        using var worker = new Pod(manifests, manifests.One<V1StatefulSet>("worker"));
        var init = Assert.Single(coordinator.Spec.InitContainers);
        var parsed = CoordinatorCommands.Create().Parse([.. init.Args]);
        Assert.Empty(parsed.Errors);
        Assert.Equal(Secret, parsed.GetValue<string>("--secret"));
        foreach (var pod in new[] { coordinator, worker })
        {
            Assert.Equal(parsed.GetValue<string>("FILE"), pod.Parse().Parsed.GetValue<string>("--token-file"));
            Assert.True(Assert.Single(pod.Container.VolumeMounts, mount => mount.MountPath == "/token").ReadOnlyProperty);
        }
        Assert.Equal(Secret, Assert.Single(worker.Spec.Volumes, volume => volume.Secret is not null).Secret.SecretName);
        Assert.Equal("Memory", Assert.Single(coordinator.Spec.Volumes, volume => volume.Name == "token").EmptyDir.Medium);
        Assert.Equal(coordinator.Container.Image, init.Image);

        // Only one container has the rights.
        Assert.DoesNotContain(coordinator.Container.VolumeMounts, mount => mount.Name == "api");
        var binding = Assert.Single(manifests.All<V1RoleBinding>());
        var subject = Assert.Single(binding.Subjects);
        Assert.Equal((coordinator.Spec.ServiceAccountName, "ServiceAccount"), (subject.Name, subject.Kind));
        Assert.NotEqual(coordinator.Spec.ServiceAccountName, worker.Spec.ServiceAccountName);
        var rules = manifests.One<V1Role>(binding.RoleRef.Name).Rules;
        Assert.All(rules, rule => Assert.Equal(["secrets"], rule.Resources));
        Assert.Equal([Secret], Assert.Single(rules, rule => rule.Verbs.SequenceEqual(["get"])).ResourceNames);
        Assert.Null(Assert.Single(rules, rule => rule.Verbs.SequenceEqual(["create"])).ResourceNames);
        Assert.Equal(2, rules.Count);

        // Only to the API server, which the other policies do not allow.
        var policy = manifests.One<V1NetworkPolicy>("join-token").Spec;
        Assert.Equal(("coordinator", "Egress"),
            (policy.PodSelector.MatchLabels["app.kubernetes.io/component"], Assert.Single(policy.PolicyTypes)));
        Assert.Equal(["443", "6443"], Assert.Single(policy.Egress).Ports.Select(port => port.Port.Value));
    }

    [Fact]
    public async Task No_token_is_created_with_certificates()
    {
        var manifests = await Manifests.OfAsync("cert-manager");
        Assert.Empty(manifests.All<V1Role>());
        Assert.Empty(manifests.All<V1RoleBinding>());
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            Assert.Empty(pod.Spec.InitContainers ?? []);
            Assert.DoesNotContain("DISTRIBUTED_TOKEN_FILE", pod.Environment.Keys);
            Assert.DoesNotContain(pod.Spec.Volumes, volume => volume.Name is "token" or "api");
        }
    }

    private ProgramRun Init(string file, string secret = Secret) => ProgramRun.Start(
        ["unshare", "--mount", "sh", "-c",
            "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount "
                + "&& mount --bind \"$ACCOUNT\" /run/secrets/kubernetes.io/serviceaccount && exec \"$@\"", "sh"],
        Repository.Program("Coordinator"), ["token", "init", _folder[file], "--secret", secret],
        ("ACCOUNT", _server.Account), ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", $"{_server.Address.Port}"), ("HTTPS_PROXY", "http://127.0.0.1:1"));
}
