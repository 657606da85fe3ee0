using System.CommandLine;
using System.Text.RegularExpressions;
using Distributed.Coordinator.Commands;
using Distributed.EndToEnd.Tests;
using Distributed.Hosting.Processes;
using Distributed.Worker.Commands;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>A pod of a stateful set, as its container sees it.</summary>
internal sealed partial class Pod(Manifests manifests, V1StatefulSet set, int ordinal = 0) : IDisposable
{
    private const string Config = "DISTRIBUTED_CONFIG";

    private readonly TemporaryFolder _files = new();

    public string Name => $"{set.Metadata.Name}-{ordinal}";

    public V1PodSpec Spec => set.Spec.Template.Spec;

    public IDictionary<string, string> Labels => set.Spec.Template.Metadata.Labels;

    public V1Container Container => Assert.Single(Spec.Containers);

    /// <summary>The host name that the set's service gives the pod.</summary>
    public string HostName => $"{Name}.{set.Spec.ServiceName}.{set.Metadata.NamespaceProperty}.svc";

    /// <summary>The init containers and the container itself.</summary>
    public IEnumerable<V1Container> Containers => [.. Spec.InitContainers ?? [], Container];

    public IReadOnlyDictionary<string, string> Environment => EnvironmentOf(Container);

    /// <summary>Expands references to other variables, as the kubelet does.</summary>
    public IReadOnlyDictionary<string, string> EnvironmentOf(V1Container container)
    {
        Dictionary<string, string> environment = new(StringComparer.Ordinal);
        foreach (var variable in container.Env ?? [])
            environment[variable.Name] = Reference().Replace(variable.Value ?? FieldOf(variable.ValueFrom.FieldRef.FieldPath), match =>
                environment.TryGetValue(match.Groups[1].Value, out var value) ? value
                    : throw new KeyNotFoundException($"{variable.Name} uses {match.Value}, which is not given before it"));
        return environment;
    }

    public int Port(string name) => Assert.Single(Container.Ports, port => port.Name == name).ContainerPort;

    /// <summary>The text of a file in a mounted ConfigMap.</summary>
    public string Read(string path)
    {
        var mount = Assert.Single(Container.VolumeMounts, mount => path.StartsWith($"{mount.MountPath}/", StringComparison.Ordinal));
        Assert.True(mount.ReadOnlyProperty);
        var volume = Assert.Single(Spec.Volumes, volume => volume.Name == mount.Name);
        var map = manifests.One<V1ConfigMap>(volume.ConfigMap.Name);
        var file = path[(mount.MountPath.Length + 1)..];
        var key = volume.ConfigMap.Items is { } items ? Assert.Single(items, item => item.Path == file).Key : file;
        return map.Data[key];
    }

    /// <summary>The variables, with a settings file that this process can read.</summary>
    public Dictionary<string, string> LocalEnvironment
    {
        get
        {
            var environment = Environment.ToDictionary(StringComparer.Ordinal);
            var config = environment[Config];
            environment[Config] = _files[Path.GetFileName(config)];
            File.WriteAllText(environment[Config], Read(config));
            return environment;
        }
    }

    /// <summary>The settings that the program parses from its arguments, environment and file.</summary>
    public Settings Parse() => Settings.Of(Commands(), [.. Container.Args ?? []], LocalEnvironment);

    public void Dispose() => _files.Dispose();

    private RootCommand Commands() => Container.Name == "coordinator" ? CoordinatorCommands.Create() : WorkerCommands.Create();

    private string FieldOf(string path) => path switch
    {
        "metadata.name" => Name,
        "metadata.namespace" => set.Metadata.NamespaceProperty,
        _ => throw new KeyNotFoundException(path),
    };

    [GeneratedRegex(@"\$\(([A-Z_]+)\)")]
    private static partial Regex Reference();
}
