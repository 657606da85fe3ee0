using System.Collections.Concurrent;
using k8s;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>What "kubectl apply -k" would send to a cluster, read so strictly that a field that Kubernetes does not know is an error.</summary>
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

    /// <summary>Folders that are applied as a whole cluster.</summary>
    public static TheoryData<string> Clusters => ["cpu", "gpu", "cert-manager"];

    /// <summary>Folders that are applied beside one.</summary>
    public static TheoryData<string> Additions => ["monitoring", "autoscaling"];

    /// <summary>All objects.</summary>
    public IReadOnlyList<object> Objects { get; }

    /// <summary>The coordinator and the workers.</summary>
    public IReadOnlyList<V1StatefulSet> Sets => All<V1StatefulSet>();

    /// <summary>The overlay of a name.</summary>
    public static Task<Manifests> OfAsync(string overlay) => _rendered.GetOrAdd(overlay, name => RenderAsync(Repository.At($"k8s/overlays/{name}")));

    /// <summary>What a folder holds.</summary>
    public static async Task<Manifests> RenderAsync(string folder) => new(await Tool.RunAsync("kubectl", "kustomize", folder));

    /// <summary>All objects of a kind.</summary>
    public IReadOnlyList<T> All<T>() => [.. Objects.OfType<T>()];

    /// <summary>The object of a kind and a name.</summary>
    public T One<T>(string name) where T : IKubernetesObject<V1ObjectMeta> => Assert.Single(Objects.OfType<T>(), one => one.Metadata.Name == name);
}
