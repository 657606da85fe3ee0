using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>A worker built without libtorch, in a folder of its own.</summary>
public sealed class ExternalWorker : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public string Program => Path.Combine(_folder["bin"], "Worker", "debug", "Distributed.Worker.dll");

    public async ValueTask InitializeAsync()
    {
        using var build = ProgramRun.Start(
            "build", [BuiltFiles.WorkerProject, "-p:TorchBackend=external", "-p:RunAnalyzers=false", "--artifacts-path", _folder.Path,
                "--disable-build-servers"]);
        await build.EndsWithAsync(0, TimeSpan.FromMinutes(4));
    }

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }
}

public sealed partial class ExternalLibtorchTests(ExternalWorker worker) : IClassFixture<ExternalWorker>
{
    private const string Variable = "DISTRIBUTED_LIBTORCH";

    /// <summary>The libtorch of the ordinary worker's package, as an external one.</summary>
    private static string Libtorch => Path.Combine(Path.GetDirectoryName(BuiltFiles.Worker)!, "runtimes", "linux-x64", "native");

    [Fact]
    public async Task A_worker_with_a_libtorch_from_elsewhere_trains_the_bits_of_one_with_its_own()
    {
        var job = SmallJobs.Kinds["cnn with momentum"];
        using var run = TrainingRun.Start(job, "--workers", "0");
        var address = (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;
        using var external = ProgramRun.Start(
            worker.Program, ["--coordinator", address, "--device", "cpu", "--token-file", run.TokenFile], (Variable, Libtorch));
        await run.Coordinator.EndsWithAsync(0);
        await external.EndsWithAsync(0);
        Assert.Equal($"Computes with libtorch 2.10.0 in {Libtorch}", external.Output[0]);
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task Without_a_libtorch_it_says_what_to_set() =>
        Assert.StartsWith(
            $"error: this worker was built without libtorch (TorchBackend=external); set {Variable} to a folder with "
            + "libc10.so, libtorch_cpu.so, libtorch.so",
            await RefusalAsync(""), StringComparison.Ordinal);

    [Fact]
    public async Task Files_that_are_not_libraries_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "libc10.so", "libtorch_cpu.so", "libtorch.so" }) File.WriteAllText(folder[name], "no library");
        Assert.StartsWith(
            $"error: {Variable} is '{folder.Path}': libc10.so cannot be loaded: ", await RefusalAsync(folder.Path),
            StringComparison.Ordinal);
    }

    private async Task<string> RefusalAsync(string libtorch)
    {
        using var refused = ProgramRun.Start(worker.Program, ["--coordinator", "127.0.0.1:1"], (Variable, libtorch));
        await refused.EndsWithAsync(2);
        return Assert.Single(refused.Errors);
    }

    [GeneratedRegex(@"^Waiting for 1 worker\(s\): .* --coordinator (\S+) --token-file \S+$")]
    private static partial Regex WaitingAt();
}
