using System.Buffers.Binary;
using System.IO.Compression;
using Distributed.Coordinator.Commands;
using Distributed.EndToEnd.Tests;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// Nodes and their pods: an overlay that is derived from another one as docs/kubernetes.md says. Its job is shorter and uses a part of the
/// data, which only the coordinator has.
/// </summary>
internal sealed class Cluster : IDisposable
{
    private const string TokenSecret = "distributed-token";

    private readonly NetworkNamespaces _nodes = NetworkNamespaces.Create("node0", "node1", "node2", "node3", "node4", "node5", "api");
    private readonly TemporaryFolder _files = new();
    private readonly Dictionary<string, string> _addresses = [];
    private readonly List<IDisposable> _pods = [];
    private readonly Dictionary<string, Image> _images = [];
    private readonly ApiServer _server;
    private Manifests? _manifests;
    private int _containers;

    private Cluster() => _server = new(_nodes.OpenSocket("api"), _nodes["api"].Address, TokenSecret);

    /// <summary>The trained model on the coordinator's volume.</summary>
    public string Model => _files["runs-coordinator-0/fashion-mnist/model.safetensors"];

    private string Hosts => _files["hosts"];

    private string Job => _files["overlay/job.yaml"];

    private string Data => _files["data"];

    public static async Task<Cluster> CreateAsync(string overlay)
    {
        var cluster = new Cluster();
        try
        {
            await cluster.BuildAsync(overlay);
            return cluster;
        }
        catch
        {
            cluster.Dispose();
            throw;
        }
    }

    public Task<ProgramRun> StartCoordinatorAsync(string node) => StartAsync("Coordinator", 0, node);

    public Task<ProgramRun> StartWorkerAsync(int ordinal, string node) => StartAsync("Worker", ordinal, node);

    /// <summary>The model that a single local worker trains, without Kubernetes.</summary>
    public async Task<byte[]> ModelOfOneWorkerAsync(TimeSpan timeout)
    {
        using var local = ProgramRun.Start(
            Repository.Program("Coordinator"),
            ["train", Job, "--workers", "1", "--device", "cpu", "--data-dir", Data, "--run", _files["local"]]);
        await local.EndsWithAsync(0, timeout);
        return await File.ReadAllBytesAsync(_files["local/model.safetensors"]);
    }

    public void Dispose()
    {
        foreach (var pod in _pods) pod.Dispose();
        _server.Dispose();
        _nodes.Dispose();
        _files.Dispose();
    }

    private async Task BuildAsync(string overlay)
    {
        CutData(300, Data);
        File.WriteAllText(Hosts, "");
        Directory.CreateDirectory(Path.GetDirectoryName(Job)!);
        var job = JobFile.Load(Repository.At("jobs/fashion-mnist.yaml"), ["epochs=40", "batch=64", "checkpoint.every-steps=50"]);
        File.WriteAllText(Job, JobFile.Format(job));
        File.WriteAllText(_files["overlay/kustomization.yaml"], $$"""
            resources: [{{Path.GetRelativePath(_files["overlay"], Repository.At($"k8s/overlays/{overlay}"))}}]
            configMapGenerator:
              - name: job
                namespace: distributed
                behavior: replace
                files: [job.yaml]
            patches:
              - patch: |
                  apiVersion: apps/v1
                  kind: StatefulSet
                  metadata: { name: coordinator, namespace: distributed }
                  spec:
                    template:
                      spec:
                        containers:
                          - name: coordinator
                            env: [{ name: DISTRIBUTED_DATA_DIR, value: /data }]
                            volumeMounts: [{ name: data, mountPath: /data, readOnly: true }]
                        volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]
            """);
        _manifests = await Manifests.RenderAsync(_files["overlay"]);
        foreach (var program in (string[])["Coordinator", "Worker"]) _images[program] = await Image.OfAsync(program);
    }

    /// <summary>Prepares the volumes, then runs one container after the other, as the kubelet does.</summary>
    private async Task<ProgramRun> StartAsync(string name, int ordinal, string node)
    {
        var set = _manifests!.One<V1StatefulSet>(name.ToLowerInvariant());
        var pod = new Pod(_manifests, set, ordinal);
        _pods.Add(pod);
        var machine = _nodes[node];
        _addresses[pod.HostName] = $"{machine.Address}";
        // In its place, since all machines share this file.
        File.WriteAllLines(Hosts, ["127.0.0.1 localhost", .. _addresses.Select(known => $"{known.Value} {known.Key}")]);
        var container = Directory.CreateDirectory(_files[$"container-{_containers++}"]);
        string[] mounted = [.. pod.Containers.SelectMany(one => one.VolumeMounts).Select(mount => mount.Name).Distinct()];
        var volumes = mounted.ToDictionary(volume => volume, volume => Provide(set, pod, volume, container));
        Dictionary<string, string> variables = new()
        {
            ["KUBERNETES_SERVICE_HOST"] = $"{_server.Address.Address}",
            ["KUBERNETES_SERVICE_PORT"] = $"{_server.Address.Port}",
        };
        foreach (var before in pod.Spec.InitContainers ?? [])
        {
            using var init = StartContainer(before);
            await init.EndsWithAsync(0);
        }
        var run = StartContainer(pod.Container);
        _pods.Add(run);
        return run;

        ProgramRun StartContainer(V1Container one) => Container.Start(pod, one, variables, _images[name], machine, Hosts, volumes,
            container.CreateSubdirectory($"root-{one.Name}").FullName);
    }

    /// <returns>The folder of a volume: what a claim holds outlives the pod.</returns>
    private string Provide(V1StatefulSet set, Pod pod, string name, DirectoryInfo container)
    {
        if (set.Spec.VolumeClaimTemplates?.Any(claim => claim.Metadata.Name == name) == true)
            return Container.Own(pod, _files[$"{name}-{pod.Name}"], isWritable: true);
        var volume = pod.Spec.Volumes.Single(volume => volume.Name == name);
        if (volume.PersistentVolumeClaim is { } claim) return _files[claim.ClaimName];
        var folder = container.CreateSubdirectory(name).FullName;
        if (volume.ConfigMap is { } map)
        {
            var data = _manifests!.One<V1ConfigMap>(map.Name).Data;
            foreach (var (file, key) in map.Items?.Select(item => (item.Path, item.Key)) ?? data.Keys.Select(key => (key, key)))
                File.WriteAllText(Path.Combine(folder, file), data[key]);
        }
        else if (volume.Secret?.SecretName == TokenSecret)
        {
            File.WriteAllBytes(Path.Combine(folder, JoinTokenFile.Name), _server.FileOf(TokenSecret, JoinTokenFile.Name));
        }
        else if (volume.Projected is not null)
        {
            foreach (var file in Directory.EnumerateFiles(_server.Account)) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        else if (volume.Secret is not null)
        {
            foreach (var file in Directory.EnumerateFiles(Certificates())) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        return Container.Own(pod, folder, isWritable: volume.EmptyDir is not null);
    }

    /// <summary>Certificates of "certs init" for the names that cert-manager is asked for.</summary>
    private string Certificates()
    {
        var folder = _files["certs"];
        if (!Directory.Exists(folder))
            CertsCommand.Create(folder, _manifests!.One<Certificate>("distributed").Spec.DnsNames, days: 1, DateTimeOffset.UtcNow);
        return folder;
    }

    /// <summary>The beginning of each file of Fashion-MNIST.</summary>
    private static void CutData(int samples, string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var file in FashionMnistFiles.All)
        {
            var source = FashionMnistFiles.PathIn(FashionMnistFiles.FindOrDownload(new()), file)!;
            var (header, each) = file.Name.Contains("images", StringComparison.Ordinal) ? (16, 28 * 28) : (8, 1);
            var bytes = new byte[header + samples * each];
            var isPacked = source.EndsWith(".gz", StringComparison.Ordinal);
            using Stream stream = isPacked
                ? new GZipStream(File.OpenRead(source), CompressionMode.Decompress) : File.OpenRead(source);
            stream.ReadExactly(bytes);
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), samples);
            File.WriteAllBytes(Path.Combine(folder, file.Name), bytes);
        }
    }
}
