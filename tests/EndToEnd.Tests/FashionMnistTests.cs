using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

[Collection(Alone.Name)]
public sealed class FashionMnistTests
{
    private const string Packaged = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";

    [Fact]
    [Trait("Category", "Slow")]
    public async Task The_job_file_trains_to_its_accuracy()
    {
        Assert.SkipUnless(File.Exists(Packaged), $"There is no {Packaged}: install the Debian package dataset-fashion-mnist.");
        // All epochs of the file take minutes.
        string[] settings = Effort.IsThorough ? [] : ["--set", "epochs=1"];
        using var run = TrainingRun.Start(BuiltFiles.Job("fashion-mnist.yaml"), ["--workers", "2", .. settings]);
        await run.Coordinator.EndsWithAsync(0, TimeSpan.FromMinutes(15));
        var report = run.Report;
        Assert.InRange(report.TestMetric, Effort.IsThorough ? 0.91 : 0.85, 1);
        Assert.Equal((60_000L * report.Epochs, 60_000L * report.Epochs), (report.SamplesExpected, report.SamplesApplied));
    }
}
