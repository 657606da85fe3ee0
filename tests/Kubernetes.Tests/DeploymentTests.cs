using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// The life of a deployment: the contents of the images with the arguments, variables, settings, users and volumes of the manifests, on
/// machines with their own addresses that find each other by the names of the services. Workers have no data.
/// </summary>
public sealed partial class DeploymentTests
{
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData("cpu")]
    [InlineData("cert-manager")]
    public async Task The_bits_do_not_change_when_pods_come_and_go_and_the_coordinator_moves(string overlay)
    {
        Effort.SkipUnlessThorough(overlay == "cpu", "It differs in what TLS takes.");
        using var cluster = await Cluster.CreateAsync(overlay);
        var coordinator = await cluster.StartCoordinatorAsync("node0");
        var first = await cluster.StartWorkerAsync(0, "node1");
        var second = await cluster.StartWorkerAsync(1, "node2");
        await coordinator.LineAsync(Trains());

        // kubectl scale statefulset worker --replicas=4
        var third = await cluster.StartWorkerAsync(2, "node3");
        var fourth = await cluster.StartWorkerAsync(3, "node4");
        await first.Self.SlowDownAsync(until: Task.WhenAll(third.LineAsync(TakesPart()), fourth.LineAsync(TakesPart())));

        // --replicas=1
        foreach (var worker in (ProgramRun[])[second, third, fourth]) worker.Self.Send(Signal.Terminate);
        await first.Self.SlowDownAsync(until: Task.WhenAll(second.EndsWithAsync(0), third.EndsWithAsync(0), fourth.EndsWithAsync(0)));

        // Its node is gone: volume and name stay, the address changes.
        first.Self.Send(Signal.Stop);
        coordinator.Self.Send(Signal.Kill);
        await coordinator.EndsAsync();
        var moved = await cluster.StartCoordinatorAsync("node5");
        first.Self.Send(Signal.Continue);
        await first.Self.SlowDownAsync(until: first.LineAsync(TakenInAgain()));

        // Another pod of the same name, on another node.
        second = await cluster.StartWorkerAsync(1, "node3");
        await first.Self.SlowDownAsync(until: second.LineAsync(TakesPart()));
        first.Self.Send(Signal.Kill);
        await moved.LineAsync(Shows(), _timeout);
        await second.EndsWithAsync(0);

        // Every further start shows the finished run.
        moved.Self.Send(Signal.Terminate);
        await moved.EndsWithAsync(0);
        var restarted = await cluster.StartCoordinatorAsync("node0");
        await restarted.LineAsync(Shows());
        restarted.Self.Send(Signal.Terminate);
        await restarted.EndsWithAsync(0);

        // Each worker with an empty cache was sent the data once.
        Assert.Equal((4, 1), (Deliveries(coordinator), Deliveries(moved)));
        Assert.Equal(await cluster.ModelOfOneWorkerAsync(_timeout), await File.ReadAllBytesAsync(cluster.Model));
    }

    private static int Deliveries(ProgramRun coordinator) =>
        coordinator.Output.Count(line => line.Contains(" is sent the data, ", StringComparison.Ordinal));

    [GeneratedRegex(@"^training .*\bstep [1-9]")]
    private static partial Regex Trains();

    [GeneratedRegex(@"Generation \d+: from round")]
    private static partial Regex TakesPart();

    [GeneratedRegex(@"Rejoined as worker-0, with [1-9]\d* rounds applied")]
    private static partial Regex TakenInAgain();

    [GeneratedRegex(@"^Showing ")]
    private static partial Regex Shows();
}
