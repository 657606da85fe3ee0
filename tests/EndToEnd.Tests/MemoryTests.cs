using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>The memory of a worker does not grow with its steps.</summary>
[Collection(Alone.Name)]
public sealed partial class MemoryTests
{
    private const int Warm = 500, Steps = 2000;

    /// <summary>Tensors that a step may hold for a while; a leak of one tensor a step would be three times as many.</summary>
    private const int OfAStep = 500;

    /// <summary>
    /// Slack of the garbage collector and the allocators: the managed heap of detection swings between 40 and 100 MB of 450,
    /// no higher after 7,000 steps than after 3,000.
    /// </summary>
    private const double Slack = 1.25;

    /// <summary>All jobs of the repository.</summary>
    public static TheoryData<string> JobFiles() =>
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(BuiltFiles.Job("digits.yaml"))!, "*.yaml")
        .Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(JobFiles))]
    [Trait("Category", "Slow")]
    public async Task Two_thousand_steps_leave_no_tensor_behind(string file)
    {
        Effort.SkipUnlessThorough();
        // Small batches, since only the number of steps matters.
        using var run = TrainingRun.Start(
            BuiltFiles.Job(file), "--workers", "1", "--set", "epochs=100000", "--set", "batch=8", "--set", "micro-batches=2", "--set",
            "checkpoint={every-steps: 0}");
        var targets = $"{MetricsAt().Match((await run.Coordinator.LineAsync(MetricsAt())).Value).Groups[1].Value}targets";
        await run.RecordsAsync(Warm, run.Coordinator);
        var warm = await LookAsync(targets);
        // In parts: one wait would exceed the timeout.
        for (var steps = Warm; steps <= Steps; steps += Warm) await run.RecordsAsync(steps, run.Coordinator);
        var late = await LookAsync(targets);
        Assert.InRange(run.Recorded, Steps, long.MaxValue);
        // It is measured in the middle of a step.
        Assert.InRange(late.Tensors, 0, warm.Tensors + OfAStep);
        Assert.InRange(late.Bytes, 0, Slack * warm.Bytes);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{file}: {late.Tensors} tensors; {warm.Bytes / 1e6:0} MB after {Warm} steps, {late.Bytes / 1e6:0} MB after {run.Recorded}"));
    }

    /// <summary>The metrics of the worker.</summary>
    private static async Task<(double Tensors, double Bytes)> LookAsync(string targets)
    {
        using var client = new HttpClient { Timeout = ProgramRun.Timeout };
        var worker = JsonNode.Parse(await client.GetStringAsync(targets))!.AsArray()
            .Single(target => target!["labels"]!["worker"] is not null)!;
        var page = (await client.GetStringAsync($"http://{worker["targets"]![0]}/metrics")).Split('\n');
        return (Value("distributed_worker_live_tensors"), Value("process_working_set_bytes"));

        double Value(string name) => double.Parse(
            page.Single(line => line.StartsWith($"{name} ", StringComparison.Ordinal))[(name.Length + 1)..],
            CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"(?i)\bmetrics at (http://\S+/)metrics")]
    private static partial Regex MetricsAt();
}
