using System.Net;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Worker.Commands;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>The manifests of a cluster are consistent, and fit the programs.</summary>
public sealed class ClusterTests
{
    public static TheoryData<string> Clusters => Manifests.Clusters;

    [Theory, MemberData(nameof(Clusters))]
    public async Task The_programs_accept_their_arguments_environment_and_settings_file(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            var settings = pod.Parse();
            Assert.Empty(settings.Errors);
            Assert.Empty(settings.Warnings);
            var parsed = settings.Parsed;
            Assert.Equal((pod.HostName, "0.0.0.0"), (parsed.GetValue<string>("--host"), parsed.GetValue<string>("--bind")));
            Assert.Equal((pod.Port("links"), pod.Port("metrics")),
                (parsed.GetValue<int>("--link-port"), parsed.GetValue<int>("--metrics-port")));
        }
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Workers_are_given_the_address_of_the_coordinator(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        using var coordinator = new Pod(manifests, manifests.One<V1StatefulSet>("coordinator"));
        using var worker = new Pod(manifests, manifests.One<V1StatefulSet>("worker"), ordinal: 3);
        Assert.Equal(coordinator.Port("control"), coordinator.Parse().Parsed.GetValue<int>("--port"));
        var parsed = worker.Parse().Parsed;
        Assert.Equal($"{coordinator.HostName}:{coordinator.Port("control")}", parsed.GetValue<string>("--coordinator"));
        Assert.Equal("worker-3", parsed.GetValue<string>("--name"));
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task A_restarted_coordinator_continues_the_run_on_its_volume(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        var set = manifests.One<V1StatefulSet>("coordinator");
        using var pod = new Pod(manifests, set);
        var parsed = pod.Parse().Parsed;
        Assert.True(parsed.GetValue<bool>("--resume-if-begun"));
        Assert.True(parsed.GetValue<bool>("--stay"));
        Assert.Equal((0, 1), (parsed.GetValue<int>("--workers"), set.Spec.Replicas));
        var claim = Assert.Single(set.Spec.VolumeClaimTemplates);
        var mount = Assert.Single(pod.Container.VolumeMounts, mount => mount.Name == claim.Metadata.Name);
        Assert.StartsWith($"{mount.MountPath}/", parsed.GetValue<string>("--run"), StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task All_pods_have_the_same_job(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        using var pod = new Pod(manifests, manifests.One<V1StatefulSet>("coordinator"));
        var path = pod.Parse().Parsed.GetValue<string>("JOB.yaml")!;
        Assert.Equal(JobFile.Load(Repository.At("jobs/fashion-mnist.yaml")), JobFile.Parse(pod.Read(path), path));
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Services_resolve_pods_that_are_not_ready(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            Assert.Equal(set.Spec.Selector.MatchLabels, pod.Labels);
            var service = manifests.One<V1Service>(set.Spec.ServiceName).Spec;
            Assert.Equal(("None", true), (service.ClusterIP, service.PublishNotReadyAddresses));
            Assert.Equal(pod.Labels, service.Selector);
            Assert.Equal(pod.Container.Ports.Select(port => (port.Name, port.ContainerPort)).Order(),
                service.Ports.Select(port => (port.TargetPort.Value, port.Port)).Order());
        }
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Every_reference_resolves(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        string[] made = [.. manifests.Sets.SelectMany(set => set.Spec.Template.Spec.InitContainers ?? []).Select(init => init.Args[^1])];
        string[] secrets = [.. manifests.All<Certificate>().Select(certificate => certificate.Spec.SecretName), .. made];
        var places = manifests.All<V1Namespace>().Select(place => place.Metadata.Name).ToList();
        Assert.All(manifests.Objects.OfType<k8s.IKubernetesObject<V1ObjectMeta>>().Where(one => one is not V1Namespace),
            one => Assert.Equal(Assert.Single(places), one.Metadata.NamespaceProperty));
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            Assert.Equal(false, manifests.One<V1ServiceAccount>(pod.Spec.ServiceAccountName).AutomountServiceAccountToken);
            string[] volumes =
            [
                .. pod.Spec.Volumes.Select(volume => volume.Name),
                .. set.Spec.VolumeClaimTemplates?.Select(claim => claim.Metadata.Name) ?? [],
            ];
            Assert.Equal(volumes.Order(),
                pod.Containers.SelectMany(container => container.VolumeMounts).Select(mount => mount.Name).Distinct().Order());
            Assert.All(pod.Spec.Volumes.Where(volume => volume.Secret is not null),
                volume => Assert.Contains(volume.Secret.SecretName, secrets));
            foreach (var map in pod.Spec.Volumes.Where(volume => volume.ConfigMap is not null).Select(volume => volume.ConfigMap))
                Assert.All(map.Items ?? [], item => Assert.Contains(item.Key, manifests.One<V1ConfigMap>(map.Name).Data.Keys));
        }
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Probes_use_paths_that_the_programs_serve(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, Prometheus.Metrics.NewCustomRegistry(), () => null);
        using var client = new HttpClient { BaseAddress = server.Address };
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            foreach (var probe in (V1Probe[])[pod.Container.StartupProbe, pod.Container.LivenessProbe, pod.Container.ReadinessProbe])
            {
                Assert.Equal("metrics", probe.HttpGet.Port.Value);
                using var answer = await client.GetAsync(new Uri(probe.HttpGet.Path, UriKind.Relative));
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
            Assert.Equal(("/healthz", "/readyz"), (pod.Container.LivenessProbe.HttpGet.Path, pod.Container.ReadinessProbe.HttpGet.Path));
        }
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Pods_meet_the_restricted_standard(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        Assert.Equal("restricted", manifests.One<V1Namespace>("distributed").Metadata.Labels["pod-security.kubernetes.io/enforce"]);
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            var whole = pod.Spec.SecurityContext;
            Assert.Equal((true, "RuntimeDefault"), (whole.RunAsNonRoot, whole.SeccompProfile.Type));
            Assert.True(whole.RunAsUser > 0);
            Assert.All(pod.Spec.Volumes,
                volume => Assert.True(volume.ConfigMap is not null || volume.Secret is not null
                    || volume.EmptyDir is not null || volume.Projected is not null));
            Assert.Equal((false, false), (pod.Spec.AutomountServiceAccountToken, pod.Spec.EnableServiceLinks));
            foreach (var container in pod.Containers)
            {
                var own = container.SecurityContext;
                Assert.Equal((false, true), (own.AllowPrivilegeEscalation, own.ReadOnlyRootFilesystem));
                Assert.Equal(["ALL"], own.Capabilities.Drop);
                Assert.Null(own.Capabilities.Add);
                Assert.Null(own.Privileged);
                foreach (var resource in (string[])["cpu", "memory"])
                    Assert.True(container.Resources.Requests[resource].ToDecimal() <= container.Resources.Limits[resource].ToDecimal());
            }
        }
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Only_the_pods_and_prometheus_may_connect_and_pods_reach_only_each_other_and_dns(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        var policy = manifests.One<V1NetworkPolicy>("distributed").Spec;
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            Assert.True(Selects(policy.PodSelector, pod));
            Assert.Contains(policy.Ingress,
                rule => rule.Ports is null
                    && rule.FromProperty.All(from => from.NamespaceSelector is null && Selects(from.PodSelector, pod)));
            Assert.All(policy.Ingress.SelectMany(rule => rule.Ports ?? []),
                port => Assert.Equal(pod.Port("metrics"), pod.Port(port.Port.Value)));
            Assert.Contains(policy.Egress,
                rule => rule.Ports is null && rule.To.All(to => to.NamespaceSelector is null && Selects(to.PodSelector, pod)));
        }
        Assert.All(policy.Ingress, rule => Assert.NotEmpty(rule.FromProperty));
        Assert.All(policy.Egress, rule => Assert.NotEmpty(rule.To));
        Assert.All(policy.Egress.SelectMany(rule => rule.Ports ?? []), port => Assert.Equal("53", port.Port.Value));
        Assert.Equal(["Ingress", "Egress"], policy.PolicyTypes);
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Only_the_coordinator_may_download_and_not_from_private_networks(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        var policy = Assert.Single(manifests.All<V1NetworkPolicy>(), one => one.Metadata.Name is not ("distributed" or "join-token")).Spec;
        using var coordinator = new Pod(manifests, manifests.One<V1StatefulSet>("coordinator"));
        using var worker = new Pod(manifests, manifests.One<V1StatefulSet>("worker"));
        Assert.Equal((true, false), (Selects(policy.PodSelector, coordinator), Selects(policy.PodSelector, worker)));
        Assert.Equal(["Egress"], policy.PolicyTypes);
        var rule = Assert.Single(policy.Egress);
        Assert.Equal(["443", "80"], rule.Ports.Select(port => port.Port.Value).Order(StringComparer.Ordinal));
        foreach (var inner in (string[])["10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"])
            Assert.Contains(rule.To, to => to.IpBlock.Except.Contains(inner));
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task No_other_pod_reaches_the_live_page(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        using var pod = new Pod(manifests, manifests.One<V1StatefulSet>("coordinator"));
        var parsed = pod.Parse().Parsed;
        Assert.Null(parsed.GetValue<string>("--page-bind"));
        Assert.InRange(parsed.GetValue<int>("--page-port"), 1024, 65_535);
        Assert.DoesNotContain(pod.Container.Ports, port => port.ContainerPort == parsed.GetValue<int>("--page-port"));
    }

    [Theory, MemberData(nameof(Clusters))]
    public async Task Workers_start_in_parallel_and_have_time_to_leave(string overlay)
    {
        var manifests = await Manifests.OfAsync(overlay);
        var set = manifests.One<V1StatefulSet>("worker");
        using var pod = new Pod(manifests, set);
        Assert.Equal("Parallel", set.Spec.PodManagementPolicy);
        Assert.True(pod.Spec.TerminationGracePeriodSeconds > WorkerProcess.LeaveTimeout.TotalSeconds + 10);
        Assert.All(pod.Spec.TopologySpreadConstraints, spread => Assert.True(Selects(spread.LabelSelector, pod)));
        var budget = Assert.Single(manifests.All<V1PodDisruptionBudget>()).Spec;
        Assert.True(Selects(budget.Selector, pod));
        Assert.Equal("1", budget.MaxUnavailable.Value);
    }

    [Fact]
    public async Task A_gpu_is_requested_and_used()
    {
        var manifests = await Manifests.OfAsync("gpu");
        using var pod = new Pod(manifests, manifests.One<V1StatefulSet>("worker"));
        Assert.Equal(1, pod.Container.Resources.Limits["nvidia.com/gpu"].ToInt32());
        Assert.Equal("cuda:0", pod.Parse().Parsed.GetValue<string>("--device"));
        Assert.EndsWith(":cuda", pod.Container.Image, StringComparison.Ordinal);
        Assert.Equal("Memory", Assert.Single(pod.Spec.Volumes, volume => volume.Name == "shm").EmptyDir.Medium);
        using var coordinator = new Pod(manifests, manifests.One<V1StatefulSet>("coordinator"));
        Assert.DoesNotContain("nvidia.com/gpu", coordinator.Container.Resources.Limits.Keys);
    }

    [Fact]
    public async Task Certificates_name_the_hosts_that_are_connected_to()
    {
        var manifests = await Manifests.OfAsync("cert-manager");
        var certificate = manifests.One<Certificate>("distributed").Spec;
        foreach (var set in manifests.Sets)
        {
            using var pod = new Pod(manifests, set);
            Assert.Contains(certificate.DnsNames, name => name == pod.HostName || name.StartsWith("*.", StringComparison.Ordinal)
                && pod.HostName[pod.HostName.IndexOf('.', StringComparison.Ordinal)..] == name[1..]);
            var volume = Assert.Single(pod.Spec.Volumes, volume => volume.Secret is not null);
            Assert.Equal(certificate.SecretName, volume.Secret.SecretName);
            Assert.Equal(pod.Environment["DISTRIBUTED_CERTS"],
                Assert.Single(pod.Container.VolumeMounts, mount => mount.Name == volume.Name).MountPath);
        }
        Assert.Contains("server auth", certificate.Usages);
        Assert.Contains("client auth", certificate.Usages);
        var issuers = manifests.All<Issuer>().ToDictionary(issuer => issuer.Metadata.Name);
        Assert.All(manifests.All<Certificate>(), one => Assert.Contains(one.Spec.IssuerRef.Name, issuers.Keys));
        Assert.Equal(Assert.Single(manifests.All<Certificate>(), one => one.Spec.IsCA).Spec.SecretName,
            issuers[certificate.IssuerRef.Name].Spec.Ca!.SecretName);
    }

    private static bool Selects(V1LabelSelector selector, Pod pod) =>
        selector.MatchLabels.All(label => pod.Labels.TryGetValue(label.Key, out var value) && value == label.Value);
}
