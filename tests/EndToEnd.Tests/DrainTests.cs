using System.Net;
using System.Net.Sockets;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

public sealed class DrainTests
{
    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_worker_that_is_drained_changes_no_bit(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "ChaosTests drains a star.");
        var job = SmallJobs.Medium with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        // The proxy must never see the token of the job.
        using var proxy = new TcpListener(IPAddress.Loopback, 0);
        proxy.Start();
        using var unknown = Drain(run.Folder, "worker-3", ("http_proxy", $"http://{proxy.LocalEndpoint}"));
        using var drain = Drain(run.Folder, "worker-1", ("http_proxy", $"http://{proxy.LocalEndpoint}"));
        await run.Worker("worker-2").SlowDownAsync(until: Task.WhenAll(unknown.EndsWithAsync(2), drain.EndsWithAsync(0)));
        Assert.StartsWith("error: there is no worker 'worker-3'; there are ", Assert.Single(unknown.Errors), StringComparison.Ordinal);
        Assert.Equal(["worker-1 has left, as it was asked to"], drain.Output);
        Assert.False(proxy.Pending());
        await run.Coordinator.EndsWithAsync(0);
        Assert.EndsWith("Done: it was asked to leave.\n", await File.ReadAllTextAsync(run["logs/worker-1.log"]), StringComparison.Ordinal);
        run.Report.RequireChange(workers: 1);
        Assert.Empty(run.Coordinator.Errors);
        SameBits.Require(job, run);

        using var late = Drain(run.Folder, "worker-2");
        await late.EndsWithAsync(2);
        Assert.Equal([$"error: '{run.Folder}' holds no unfinished run. Give the folder of one with --run."], late.Errors);
    }

    [Fact]
    public async Task Without_a_coordinator_no_worker_is_drained()
    {
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "1");
        await run.TrainsAsync();
        run.Coordinator.Self.Send(Signal.Kill);
        await run.Coordinator.EndsWithAsync(137);
        using var drain = Drain(run.Folder, "worker-1");
        await drain.EndsWithAsync(1);
        Assert.StartsWith($"error: the coordinator of '{run.Folder}' does not answer at http://127.0.0.1:", Assert.Single(drain.Errors),
            StringComparison.Ordinal);
    }

    private static ProgramRun Drain(string run, string worker, params (string, string)[] environment) =>
        ProgramRun.Start(BuiltFiles.Coordinator, ["drain", "--run", run, worker], environment);
}
