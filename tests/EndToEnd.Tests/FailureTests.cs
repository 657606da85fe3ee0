using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Runs that cannot be: exit code 1 and one line on standard error that says why.</summary>
public sealed partial class FailureTests
{
    [Fact]
    public async Task A_batch_larger_than_the_training_set_is_refused_by_its_size()
    {
        using var run = TrainingRun.Start(Jobs.Short, "--workers", "1", "--set", "batch=1439");
        await run.Coordinator.EndsWithAsync(1);
        Assert.Equal(["error: batch is 1439, but the training set has 1438 samples; allowed: 1 to 1438"], run.Coordinator.Errors);
    }

    [Fact]
    public async Task A_worker_that_cannot_load_its_data_ends_the_run_with_its_name_its_reason_and_its_log()
    {
        using var run = TrainingRun.Start(Jobs.Short, "--workers", "2", "--set", "data=fashion-mnist", "--data-dir", "/no/such/folder");
        await run.Coordinator.EndsWithAsync(1);
        var complaint = NoData().Match(Assert.Single(run.Coordinator.Errors));
        Assert.True(complaint.Success, string.Join('\n', run.Coordinator.Errors));
        Assert.Equal(run[$"logs/{complaint.Groups["worker"].Value}.log"], complaint.Groups["log"].Value);
        Assert.False(File.Exists(run["model.safetensors"]));
    }

    [Fact]
    public async Task A_coordinator_that_cannot_have_its_port_says_so()
    {
        using var first = TrainingRun.Start(Jobs.Short, "--workers", "0");
        var port = (await first.Coordinator.LineAsync(MetricsPort())).Groups[1].Value;
        using var second = TrainingRun.Start(Jobs.Short, "--workers", "0", "--metrics-port", port);
        await second.Coordinator.EndsWithAsync(1);
        Assert.Contains($"port {port}", Assert.Single(second.Coordinator.Errors), StringComparison.Ordinal);
    }

    [GeneratedRegex(@"^error: (?<worker>worker-[12]) failed: The data directory '/no/such/folder' \(--data-dir\) does not exist\. \(see (?<log>.*)\)$")]
    private static partial Regex NoData();

    [GeneratedRegex(@"metrics at http://[^ :]+:(\d+)/metrics$")]
    private static partial Regex MetricsPort();
}
