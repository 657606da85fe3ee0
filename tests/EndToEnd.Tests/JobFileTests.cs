using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;
using Distributed.Worker.Data;

namespace Distributed.EndToEnd.Tests;

/// <summary>The jobs of the repository: each learns enough, and its bits do not depend on the workers.</summary>
public sealed class JobFileTests
{
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(30);

    [Theory]
    [InlineData("breast-cancer.yaml", 0.95)]
    public Task Two_workers_learn_what_a_plain_loop_does_and_enough(string file, double least) => LearnsAsync(file, least);

    [Theory]
    [InlineData("diabetes.yaml")]
    [InlineData("diabetes-l1.yaml")]
    public Task A_network_explains_more_than_a_straight_line(string file) =>
        LearnsAsync(file, LinearFit.R2(DataSets.Load("diabetes", new())));

    /// <summary>These jobs take a minute or more each; <see cref="SmallJobs.Kinds"/> has short versions.</summary>
    [Theory]
    [InlineData("digits.yaml", 0.97)]
    [InlineData("segmentation.yaml", 0.75)]
    [InlineData("detection.yaml", 0.8)]
    [InlineData("digits-gan.yaml", 0.7)]
    [InlineData("fashion-mnist.yaml", 0.91)]
    [InlineData("fashion-mnist-gan.yaml", 0.6)]
    [Trait("Category", "Slow")]
    public async Task Two_workers_learn_longer_jobs_as_a_plain_loop_does_and_enough(string file, double least)
    {
        Effort.SkipUnlessThorough();
        await LearnsAsync(file, least);
    }

    private static async Task LearnsAsync(string file, double least)
    {
        using var run = TrainingRun.Start(BuiltFiles.Job(file), "--workers", "2");
        await run.Coordinator.EndsWithAsync(0, _timeout);
        Assert.InRange(run.Report.TestMetric, least, 1);
        SameBits.Require(JobFile.Load(BuiltFiles.Job(file)), run);
    }
}
