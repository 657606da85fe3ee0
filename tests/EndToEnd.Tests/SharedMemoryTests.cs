using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Processes of one host exchange tensors through memory that both have mapped and no other process can open.</summary>
public sealed class SharedMemoryTests
{
    private const string Name = "distributed-link";

    [Theory]
    [InlineData("mesh", 1)]
    [InlineData("star", 0)]
    public async Task Only_linked_processes_share_memory(string topology, int betweenWorkers)
    {
        using var run = TrainingRun.Start(SmallJobs.Endless with { Topology = topology }, "--workers", "2");
        await run.TrainsAsync();
        LinuxProcess[] processes = [run.Coordinator.Self, run.Worker("worker-1"), run.Worker("worker-2")];
        var (coordinator, first, second) =
            (processes[0].SharedMemory(Name), processes[1].SharedMemory(Name), processes[2].SharedMemory(Name));
        Assert.Equal(2, coordinator.Count);
        Assert.All([first, second], worker => Assert.Equal((1, 1 + betweenWorkers), (worker.Intersect(coordinator).Count(), worker.Count)));
        Assert.Equal(betweenWorkers, first.Intersect(second).Count());
        foreach (var process in processes)
            Assert.DoesNotContain(process.OpenFiles(), file => file.Contains(Name, StringComparison.Ordinal));
    }
}
