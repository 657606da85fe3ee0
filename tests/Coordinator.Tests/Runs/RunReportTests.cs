using System.Text.Json;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunReportTests
{
    private static readonly RunReport _report = new()
    {
        Job = "mnist",
        StartedAt = new(2026, 2, 3, 4, 5, 6, TimeSpan.Zero),
        FinishedAt = new(2026, 2, 3, 4, 6, 6, TimeSpan.Zero),
        Seconds = 59.5,
        Steps = 938,
        Epochs = 2,
        StepsPerSecond = 15.76,
        SamplesExpected = 120_000,
        SamplesApplied = 120_000,
        TrainLoss = 0.25,
        TestLoss = 0.5,
        Metric = "accuracy",
        TestMetric = 0.975,
        ParametersSha256 = "ab",
        Workers = 3,
        Generations = 2,
        Reconfigurations = [new(2, GenerationCause.Joined, "worker-3 joined")],
        StepsRedone = 1,
    };

    [Fact]
    public void The_names_are_snake_case()
    {
        using var json = Saved(_report);
        Assert.Equal(
            ["job", "started_at", "finished_at", "seconds", "steps", "epochs", "steps_per_second", "samples_expected", "samples_applied",
                "train_loss", "test_loss", "metric", "test_metric", "parameters_sha256", "workers", "generations",
                "reconfigurations", "steps_redone"],
            json.RootElement.EnumerateObject().Select(p => p.Name));
        Assert.Equal(0.975, json.RootElement.GetProperty("test_metric").GetDouble());
        Assert.Equal("2026-02-03T04:05:06+00:00", json.RootElement.GetProperty("started_at").GetString());
    }

    [Fact]
    public void A_diverged_or_unevaluated_run_has_a_report()
    {
        using var json = Saved(_report with { TrainLoss = double.NaN, TestLoss = null, TestMetric = null });
        Assert.Equal("NaN", json.RootElement.GetProperty("train_loss").GetString());
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("test_loss").ValueKind);
    }

    private static JsonDocument Saved(RunReport report)
    {
        using var folder = new TemporaryFolder();
        report.Save(folder["report.json"]);
        return JsonDocument.Parse(File.ReadAllText(folder["report.json"]));
    }
}
