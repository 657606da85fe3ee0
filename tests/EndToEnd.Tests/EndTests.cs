using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>However a coordinator ends, the workers that it started end too.</summary>
public sealed class EndTests
{
    private static readonly TimeSpan _aFewSeconds = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData(Signal.Interrupt, 1)]
    [InlineData(Signal.Terminate, 1)]
    [InlineData(Signal.Kill, 128 + 9)]
    public async Task Nothing_is_left_behind(Signal signal, int exitCode)
    {
        using var run = TrainingRun.Start(Jobs.Endless, "--workers", "2");
        await run.TrainsAsync();
        var workers = run.Coordinator.Children();
        Assert.Equal(["worker-1", "worker-2"], workers.Select(worker => worker.Option("--name")).Order(StringComparer.Ordinal));

        run.Coordinator.Self.Send(signal);
        await run.Coordinator.EndsWithAsync(exitCode);
        foreach (var worker in workers) Assert.True(await worker.EndsWithinAsync(_aFewSeconds), $"{worker.Option("--name")} still runs");
        if (signal != Signal.Kill) Assert.Equal([$"error: interrupted; what there is so far is in {run.Folder}"], run.Coordinator.Errors);
    }
}
