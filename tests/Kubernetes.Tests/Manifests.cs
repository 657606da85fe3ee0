using System.Collections.Concurrent;
using k8s;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>The objects that "kubectl apply -k" would send to a cluster. A field that Kubernetes does not know is an error.</summary>
internal sealed class Manifests
{
    private static readonly ConcurrentDictionary<string, Task<Manifests>> _rendered = new();

    private static readonly Dictionary<string, Type> _custom = new()
    {
        ["monitoring.coreos.com/v1/PodMonitor"] = typeof(PodMonitor),
        ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
        ["cert-manager.io/v1/Issuer"] = typeof(Issuer),
        ["cert-manager.io/v1/Certificate"] = typeof(Certificate),
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
    };

    private Manifests(string yaml) => Objects = KubernetesYaml.LoadAllFromString(yaml, _custom, strict: true);

    /// <summary>The folders that are applied as a complete cluster.</summary>
    public static TheoryData<string> Clusters => ["cpu", "gpu", "cert-manager"];

    /// <summary>The folders that are applied beside a cluster.</summary>
    public static TheoryData<string> Additions => ["monitoring", "autoscaling"];

    public IReadOnlyList<object> Objects { get; }

    public IReadOnlyList<V1StatefulSet> Sets => All<V1StatefulSet>();

    public static Task<Manifests> OfAsync(string overlay) =>
        _rendered.GetOrAdd(overlay, name => RenderAsync(Repository.At($"k8s/overlays/{name}")));

    public static async Task<Manifests> RenderAsync(string folder) => new(await Tool.RunAsync("kubectl", "kustomize", folder));

    public IReadOnlyList<T> All<T>() => [.. Objects.OfType<T>()];

    public T One<T>(string name) where T : IKubernetesObject<V1ObjectMeta> =>
        Assert.Single(Objects.OfType<T>(), one => one.Metadata.Name == name);
}
