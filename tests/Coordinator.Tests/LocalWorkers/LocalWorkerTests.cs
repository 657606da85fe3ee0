using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Tests.LocalWorkers;

public sealed class LocalWorkerTests : IDisposable
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder = new();
    private readonly TaskCompletionSource<LocalWorkerExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("echo hello; echo error: first >&2; echo 'error:  boom ' >&2; exit 3", 3, "boom")]
    [InlineData("echo hello; echo no error: here; exit 0", 0, null)]
    [InlineData("echo hello; kill -9 $$", 137, "killed by signal 9")]
    [InlineData("echo hello; echo error: no memory; kill -6 $$", 134, "killed by signal 6; its last error: no memory")]
    public async Task The_end_of_a_worker_is_reported_with_its_reason(string script, int exitCode, string? reason)
    {
        await using var worker = Start(script);
        Assert.Equal(new("w", exitCode, _folder["w.log"], reason, Stopping: false), await _exit.Task.WaitAsync(_timeout));
    }

    [Fact]
    public async Task The_log_grows_with_all_output()
    {
        await File.WriteAllTextAsync(_folder["w.log"], "before\n");
        await using var worker = Start("echo out; echo err >&2; read line; printf last");
        Assert.True(SpinWait.SpinUntil(() => Log().Contains("out\n") && Log().Contains("err\n"), _timeout));
        Assert.DoesNotContain("last", Log());
        await worker.StopAsync(_timeout);
        Assert.StartsWith("before\n", Log());
        Assert.EndsWith("last\n", Log());
    }

    [Fact]
    public async Task Each_line_is_reported_before_the_end()
    {
        var lines = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var worker =
            LocalWorker.Start("w", Shell("echo out; echo err >&2; printf last"), _folder["w.log"], _exit.SetResult, lines.Enqueue);
        await _exit.Task.WaitAsync(_timeout);
        Assert.Equal(["err", "last", "out"], lines.Order());
    }

    [Fact]
    public async Task A_worker_ends_with_its_input_while_the_others_run()
    {
        var exits = new System.Collections.Concurrent.ConcurrentQueue<LocalWorkerExit>();
        await using var group = LocalWorkerGroup.Start(3, name => Shell($"echo {name}; exec cat"), _folder["logs"], exits.Enqueue);
        await group.Workers[0].StopAsync(_timeout);
        Assert.Equal([new("worker-1", 0, _folder["logs/worker-1.log"], null, Stopping: true)], exits);
        await group.StopAsync(_timeout);
        Assert.Equal(["worker-1", "worker-2", "worker-3"], exits.Select(e => e.Name).Order());
        Assert.All(exits, e => Assert.Equal(0, e.ExitCode));
        Assert.Equal("worker-3\n", await File.ReadAllTextAsync(_folder["logs/worker-3.log"]));
    }

    [Fact]
    public async Task A_worker_that_ignores_its_input_is_killed_with_its_children()
    {
        await using var worker = Start("sleep 1000 & echo $!; wait");
        Assert.True(SpinWait.SpinUntil(() => Log().EndsWith('\n'), _timeout));
        await worker.StopAsync(TimeSpan.Zero);
        Assert.Equal(new("w", 137, _folder["w.log"], "killed by signal 9", Stopping: true), await _exit.Task);
        Assert.True(SpinWait.SpinUntil(() => IsGone(Log().Trim()), _timeout));
    }

    [Fact]
    public async Task The_end_is_reported_although_a_child_holds_the_output_open()
    {
        await using var worker = Start("sleep 1000 & echo $!; exit 4");
        Assert.Equal(4, (await _exit.Task.WaitAsync(_timeout)).ExitCode);
        using var left = System.Diagnostics.Process.GetProcessById(int.Parse(Log()));
        left.Kill();
    }

    [Fact]
    public async Task A_worker_may_be_stopped_and_disposed_twice()
    {
        var worker = Start("exec cat");
        await worker.DisposeAsync();
        await worker.StopAsync(TimeSpan.Zero);
        await worker.DisposeAsync();
        Assert.True((await _exit.Task).Stopping);
    }

    [Fact]
    public void A_missing_program_is_an_error_at_once() =>
        Assert.Throws<System.ComponentModel.Win32Exception>(
            () => LocalWorker.Start("w", new("/no/such/program", []), _folder["w.log"], _exit.SetResult));

    private LocalWorker Start(string script) => LocalWorker.Start("w", Shell(script), _folder["w.log"], _exit.SetResult);

    private static WorkerCommand Shell(string script) => new("/bin/sh", ["-c", script]);

    private string Log()
    {
        using var stream = new FileStream(_folder["w.log"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>In a container without an init process a dead orphan stays as a zombie.</summary>
    private static bool IsGone(string processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/stat").Contains(") Z ");
        }
        catch (IOException)
        {
            return true;
        }
    }
}
