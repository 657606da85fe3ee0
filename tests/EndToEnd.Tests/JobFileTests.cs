using Distributed.EndToEnd.Tests.Processes;
using Distributed.Worker.Data;

namespace Distributed.EndToEnd.Tests;

/// <summary>The jobs that come with the program: what each learns, and that its bits do not depend on the workers.</summary>
[Collection(Torch.Name)]
public sealed class JobFileTests
{
    [Theory]
    [InlineData("digits.yaml", 0.97)]
    [InlineData("breast-cancer.yaml", 0.95)]
    [InlineData("diabetes.yaml", null)]
    public async Task One_worker_and_three_learn_the_same_and_enough(string file, double? least)
    {
        var models = new List<byte[]>();
        foreach (var workers in new[] { 1, 3 })
        {
            using var run = TrainingRun.Start(BuiltFiles.Job(file), "--workers", $"{workers}");
            await run.Coordinator.EndsWithAsync(0);
            Assert.InRange(run.Report.TestMetric, least ?? LinearFit.R2(DataSets.Load("diabetes", new())), 1);
            models.Add(run.Model);
        }
        Assert.Equal(models[0], models[1]);
    }
}
