using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>The workers that a coordinator started end with it, however it ends.</summary>
public sealed class EndTests
{
    private const string SharedMemoryFolder = "/dev/shm";

    private static readonly TimeSpan _aFewSeconds = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData(Signal.Interrupt, 1)]
    [InlineData(Signal.Terminate, 1)]
    [InlineData(Signal.Kill, 128 + 9)]
    public async Task Nothing_is_left_behind(Signal signal, int exitCode)
    {
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "2");
        await run.TrainsAsync();
        var workers = run.Coordinator.Children();
        Assert.Equal(["worker-1", "worker-2"], workers.Select(worker => worker.Option("--name")).Order(StringComparer.Ordinal));

        run.Coordinator.Self.Send(signal);
        await run.Coordinator.EndsWithAsync(exitCode);
        foreach (var worker in workers) Assert.True(await worker.EndsWithinAsync(_aFewSeconds), $"{worker.Option("--name")} still runs");
        if (signal != Signal.Kill) Assert.Equal([$"error: interrupted; what there is so far is in {run.Folder}"], run.Coordinator.Errors);
    }

    [Fact]
    public async Task Nothing_is_left_behind_when_all_are_killed_at_once()
    {
        var before = Directory.GetFileSystemEntries(SharedMemoryFolder);
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "2");
        await run.TrainsAsync();
        var all = LinuxProcess.With("TMPDIR", run.Temporary);
        Assert.Equal(3, all.Count);

        foreach (var process in all) process.Send(Signal.Kill);
        await run.Coordinator.EndsWithAsync(128 + 9);
        foreach (var process in all) Assert.True(await process.EndsWithinAsync(_aFewSeconds), $"process {process.Id} still runs");
        Assert.Empty(LinuxProcess.With("TMPDIR", run.Temporary));
        Assert.Empty(Directory.GetFileSystemEntries(SharedMemoryFolder).Except(before));
        Assert.DoesNotContain(Directory.EnumerateFileSystemEntries(run.Temporary).Select(Path.GetFileName), file => !IsOfDotnet(file!));
    }

    // The diagnostics socket of .NET, which a killed process leaves behind.
    private static bool IsOfDotnet(string file) =>
        file.StartsWith("dotnet-diagnostic-", StringComparison.Ordinal) || file.StartsWith("clr-debug-pipe-", StringComparison.Ordinal);
}
