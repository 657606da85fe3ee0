using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

public sealed partial class StatusTests
{
    [Fact]
    public async Task Coordinator_and_workers_answer_while_they_train()
    {
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "1");
        var coordinator = Address().Match((await run.Coordinator.LineAsync(Address())).Value).Groups[1].Value;
        await run.TrainsAsync();
        var worker = Address().Match(await File.ReadAllTextAsync(run["logs/worker-1.log"])).Groups[1].Value;

        using var client = new HttpClient { Timeout = ProgramRun.Timeout };
        foreach (var address in new[] { coordinator, worker })
        {
            Assert.Equal("ok", await client.GetStringAsync($"{address}healthz"));
            Assert.Equal("ok", await client.GetStringAsync($"{address}readyz"));
        }
        Assert.Matches(@"(?m)^distributed_steps_total [1-9]\d*\r?$", await client.GetStringAsync($"{coordinator}metrics"));
        Assert.Matches(@"(?m)^distributed_control_messages_total\{direction=""sent"",message=""BeginPlan""\} 1\r?$",
            await client.GetStringAsync($"{coordinator}metrics"));
        Assert.Matches(@"(?m)^distributed_control_messages_total\{direction=""sent"",message=""RoundsApplied""\} [1-9]\d*\r?$",
            await client.GetStringAsync($"{worker}metrics"));
        Assert.Matches(@"(?m)^distributed_worker_micro_batches_total\{kind=""train""\} [1-9]\d*\r?$",
            await client.GetStringAsync($"{worker}metrics"));
    }

    [GeneratedRegex(@"(?i)\bmetrics at (http://\S+/)metrics")]
    private static partial Regex Address();
}
