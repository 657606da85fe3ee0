using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

public sealed class FashionMnistTests
{
    private const string Packaged = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";

    [Fact]
    [Trait("Category", "Slow")]
    public async Task An_epoch_of_the_job_file_with_a_small_model_reaches_its_accuracy()
    {
        Assert.SkipUnless(File.Exists(Packaged), $"There is no {Packaged}: install the Debian package dataset-fashion-mnist.");
        // All epochs of its own model take minutes: JobFileTests trains them.
        using var run = TrainingRun.Start(BuiltFiles.Job("fashion-mnist.yaml"), "--workers", "2",
            "--set", "epochs=1", "--set", "micro-batches=4", "--set", "model={name: cnn, channels: [4, 8], hidden: 32, batch-norm: true}");
        await run.Coordinator.EndsWithAsync(0, TimeSpan.FromMinutes(15));
        var report = run.Report;
        Assert.InRange(report.TestMetric, 0.85, 1);
        Assert.Equal((60_000L * report.Epochs, 60_000L * report.Epochs), (report.SamplesExpected, report.SamplesApplied));
    }
}
