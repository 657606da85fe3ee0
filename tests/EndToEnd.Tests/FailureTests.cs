using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Transport.Security;

namespace Distributed.EndToEnd.Tests;

/// <summary>Runs that fail: exit code 1 and one line on standard error with the reason.</summary>
public sealed partial class FailureTests
{
    [Fact]
    public async Task A_batch_larger_than_the_training_set_is_refused_by_its_size()
    {
        using var run = TrainingRun.Start(SmallJobs.Short, "--workers", "1", "--set", "batch=1439");
        await run.Coordinator.EndsWithAsync(1);
        Assert.Equal(["error: batch is 1439, but the training set has 1438 samples; allowed: 1 to 1438"], run.Coordinator.Errors);
    }

    [Fact]
    public async Task A_worker_that_cannot_load_its_data_ends_the_run_with_its_name_its_reason_and_its_log()
    {
        using var run = TrainingRun.Start(
            SmallJobs.Short, "--workers", "2", "--set", "data=fashion-mnist", "--data-dir", "/no/such/folder");
        await run.Coordinator.EndsWithAsync(1);
        var complaint = NoData().Match(Assert.Single(run.Coordinator.Errors));
        Assert.True(complaint.Success, string.Join('\n', run.Coordinator.Errors));
        Assert.Equal(run[$"logs/{complaint.Groups["worker"].Value}.log"], complaint.Groups["log"].Value);
        Assert.False(File.Exists(run["model.safetensors"]));
    }

    [Fact]
    public async Task A_coordinator_whose_port_is_in_use_says_so()
    {
        using var first = TrainingRun.Start(SmallJobs.Short, "--workers", "0");
        var port = (await first.Coordinator.LineAsync(MetricsPort())).Groups[1].Value;
        using var second = TrainingRun.Start(SmallJobs.Short, "--workers", "0", "--metrics-port", port);
        await second.Coordinator.EndsWithAsync(1);
        Assert.Contains($"port {port}", Assert.Single(second.Coordinator.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_with_another_join_token_is_told_what_to_do_and_takes_no_part()
    {
        using var folder = new TemporaryFolder();
        JoinTokenFile.Write(folder["other.token"], JoinToken.Create());
        using var run = TrainingRun.Start(SmallJobs.Short, "--workers", "0");
        var address = (await run.Coordinator.LineAsync(Awaited())).Groups[1].Value;
        using var stranger = ProgramRun.Start(
            BuiltFiles.Worker,
            ["--coordinator", address, "--device", "cpu", "--name", "stranger", "--token-file", folder["other.token"]]);
        await stranger.EndsWithAsync(1);
        Assert.Equal(
            [
                $"error: the coordinator at {address} does not hold the join token of '{folder["other.token"]}': "
                + "give a copy of the one in the folder of its run with --token-file",
            ],
            stranger.Errors);
        using var worker = ProgramRun.Start(
            BuiltFiles.Worker, ["--coordinator", address, "--device", "cpu", "--name", "worker", "--token-file", run.TokenFile]);
        await run.Coordinator.EndsWithAsync(0);
        Assert.Equal(1, run.Report.Workers);
        Assert.DoesNotContain("stranger", await File.ReadAllTextAsync(run["events.jsonl"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Standard_output_on_a_full_disk_ends_neither_a_coordinator_nor_a_worker()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "This system has no /dev/full.");
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["job.yaml"], JobFile.Format(SmallJobs.Short));
        JoinTokenFile.Write(folder["join.token"], JoinToken.Create());
        var port = FreePort();
        using var coordinator = Start(BuiltFiles.Coordinator,
            "train", folder["job.yaml"], "--workers", "0", "--port", port, "--run", folder["run"], "--token-file", folder["join.token"]);
        using var worker = Start(
            BuiltFiles.Worker, "--coordinator", $"127.0.0.1:{port}", "--device", "cpu", "--token-file", folder["join.token"]);
        await worker.EndsWithAsync(0);
        await coordinator.EndsWithAsync(0);
        Assert.True(File.Exists(folder["run/report.json"]));

        static ProgramRun Start(string program, params string[] arguments) =>
            ProgramRun.Start(["/bin/sh", "-c", "exec \"$@\" > /dev/full 2> /dev/full", "sh"], program, arguments);
    }

    private static string FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return $"{((IPEndPoint)socket.LocalEndPoint!).Port}";
    }

    [GeneratedRegex(@"^Waiting for 1 worker\(s\): .* --coordinator (\S+) --token-file \S+$")]
    private static partial Regex Awaited();

    [GeneratedRegex(@"^error: (?<worker>worker-[12]) failed: "
        + @"The data directory '/no/such/folder' \(--data-dir\) does not exist\. \(see (?<log>.*)\)$")]
    private static partial Regex NoData();

    [GeneratedRegex(@"metrics at http://[^ :]+:(\d+)/metrics$")]
    private static partial Regex MetricsPort();
}
