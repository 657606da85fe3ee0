using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Shared.Jobs;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// The life of a deployment with the arguments, variables and settings of the manifests, on machines with addresses of their own that
/// know each other by the names of the services.
/// </summary>
public sealed partial class DeploymentTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    private static readonly Job _job = JobFile.Parse(JobFile.Format(Job.Default), "the embedded job",
        ["epochs=30", "model={name: cnn, channels: [8, 16], hidden: 32, batch-norm: true, dropout: 0.1}", "checkpoint.every-steps=100"]);

    [Fact]
    public async Task Pods_come_and_go_and_the_coordinator_moves_and_no_bit_changes()
    {
        using var cluster = new Cluster(await Manifests.OfAsync("cpu"));
        var coordinator = cluster.StartCoordinator("node0");
        var first = cluster.StartWorker(0, "node1");
        var second = cluster.StartWorker(1, "node2");
        await coordinator.LineAsync(Trains());

        // kubectl scale statefulset worker --replicas=4
        var third = cluster.StartWorker(2, "node3");
        var fourth = cluster.StartWorker(3, "node4");
        await first.Self.SlowDownAsync(until: Task.WhenAll(third.LineAsync(TakesPart()), fourth.LineAsync(TakesPart())));

        // --replicas=1
        foreach (var worker in (ProgramRun[])[second, third, fourth]) worker.Self.Send(Signal.Terminate);
        await first.Self.SlowDownAsync(until: Task.WhenAll(second.EndsWithAsync(0), third.EndsWithAsync(0), fourth.EndsWithAsync(0)));

        // Its node is gone; the volume comes along, the name stays, the address does not.
        first.Self.Send(Signal.Stop);
        coordinator.Self.Send(Signal.Kill);
        await coordinator.EndsAsync();
        var moved = cluster.StartCoordinator("node5");
        first.Self.Send(Signal.Continue);
        await first.Self.SlowDownAsync(until: first.LineAsync(TakenInAgain()));

        // Another pod of the same name, on another node.
        second = cluster.StartWorker(1, "node3");
        await first.Self.SlowDownAsync(until: second.LineAsync(TakesPart()));
        first.Self.Send(Signal.Kill);
        await moved.LineAsync(Shows(), _patience);
        await second.EndsWithAsync(0);

        // However often it is started now, it shows what was trained.
        moved.Self.Send(Signal.Terminate);
        await moved.EndsWithAsync(0);
        var restarted = cluster.StartCoordinator("node0");
        await restarted.LineAsync(Shows());
        restarted.Self.Send(Signal.Terminate);
        await restarted.EndsWithAsync(0);

        using var undisturbed = new TemporaryFolder();
        using var local = ProgramRun.Start(Repository.Program("Coordinator"), ["train", cluster.JobFile, "--workers", "1", "--device", "cpu", "--run", undisturbed["run"]]);
        await local.EndsWithAsync(0, _patience);
        Assert.Equal(await File.ReadAllBytesAsync(undisturbed["run/model.safetensors"]), await File.ReadAllBytesAsync(Path.Combine(cluster.RunFolder, "model.safetensors")));
    }

    [GeneratedRegex(@"^training .*\bstep [1-9]")]
    private static partial Regex Trains();

    [GeneratedRegex(@"Generation \d+: from round")]
    private static partial Regex TakesPart();

    [GeneratedRegex(@"Taken in again as worker-0, with [1-9]\d* rounds applied")]
    private static partial Regex TakenInAgain();

    [GeneratedRegex(@"^Showing ")]
    private static partial Regex Shows();

    private sealed class Cluster : IDisposable
    {
        private readonly Manifests _manifests;
        private readonly NetworkNamespaces _nodes = NetworkNamespaces.Create("node0", "node1", "node2", "node3", "node4", "node5");
        private readonly TemporaryFolder _volumes = new();
        private readonly Dictionary<string, string> _addresses = [];
        private readonly List<IDisposable> _pods = [];

        public Cluster(Manifests manifests)
        {
            _manifests = manifests;
            File.WriteAllText(JobFile, Distributed.Shared.Jobs.JobFile.Format(_job));
            File.WriteAllText(Hosts, "");
        }

        public string JobFile => _volumes["job.yaml"];

        public string RunFolder => _volumes["run"];

        private string Hosts => _volumes["hosts"];

        public ProgramRun StartCoordinator(string node) => Start("coordinator", 0, node, pod => [pod.Container.Args[0], JobFile], ("DISTRIBUTED_RUN", RunFolder));

        public ProgramRun StartWorker(int ordinal, string node) => Start("worker", ordinal, node, pod => [.. pod.Container.Args ?? []], ("XDG_CACHE_HOME", _volumes["cache"]));

        public void Dispose()
        {
            foreach (var pod in _pods) pod.Dispose();
            _nodes.Dispose();
            _volumes.Dispose();
        }

        private ProgramRun Start(string set, int ordinal, string node, Func<Pod, IEnumerable<string>> arguments, (string Name, string Value) volume)
        {
            var pod = new Pod(_manifests, _manifests.One<V1StatefulSet>(set), ordinal);
            _pods.Add(pod);
            var machine = _nodes[node];
            _addresses[pod.HostName] = $"{machine.Address}";
            // In its place, since every machine has this very file.
            File.WriteAllLines(Hosts, ["127.0.0.1 localhost", .. _addresses.Select(name => $"{name.Value} {name.Key}")]);
            (string, string)[] environment = [.. pod.LocalEnvironment.Select(variable => (variable.Key, variable.Value)), volume, ("TMPDIR", _volumes.Path)];
            var run = ProgramRun.Start(
                [.. machine.Command, "sh", "-c", $"mount --bind '{Hosts}' /etc/hosts && exec \"$@\"", "sh"],
                Repository.Program(set == "worker" ? "Worker" : "Coordinator"), arguments(pod), environment);
            _pods.Add(run);
            return run;
        }
    }
}
