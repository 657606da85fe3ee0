using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Distributed.Core.Planning;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Worker.Data;
using Distributed.Worker.Tests.Data;

namespace Distributed.EndToEnd.Tests;

/// <summary>Data of the user: three workers learn from it as a plain loop does, and report the samples that are left out.</summary>
public sealed partial class OwnDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_table_gives_three_workers_the_bits_of_a_plain_loop_and_tells_what_it_leaves_out()
    {
        // A line through three columns, one of them a name, and a row without a number.
        string[] colours = ["red", "green", "blue"];
        var rows = Enumerable.Range(0, 200).Select(row =>
        {
            var (x, y, colour) =
                (Permutation.Mix(1, row, 0) % 1000 / 1000.0, Permutation.Mix(1, row, 1) % 1000 / 1000.0,
                (int)(Permutation.Mix(1, row, 2) % 3));
            return string.Create(CultureInfo.InvariantCulture, $"{x};{y};{colours[colour]};{(2 * x) - y + colour}");
        });
        File.WriteAllLines(_folder["line.csv"], ["x;y;colour;z", .. rows, "0.5;;red;1"]);
        var job = Write("""
            task: regression
            data: { csv: line.csv, separator: ";", target: z, one-hot: [colour], on-bad-sample: skip }
            model: { name: mlp, hidden: [8], activation: tanh }
            epochs: 20
            batch: 32
            micro-batches: 4
            optimizer: { name: adam, learning-rate: 0.02 }
            """);
        using var run = await TrainsTheSameBitsAsync(job);
        Assert.InRange(run.Report.TestMetric, 0.9, 1);
        Assert.Contains(run.Coordinator.Output,
            line => line.EndsWith(
                "line.csv: 1 of 201 samples cannot be used and are left out: line 202, column 'y' is empty; a number is expected",
                StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_folder_of_images_gives_three_workers_the_bits_of_a_plain_loop_and_its_run_predicts_class_names()
    {
        string[] names = ["zero", "one", "two"];
        DigitImages.WriteTo(_folder["all"]);
        for (var sample = 0; sample < DigitImages.Set.Count; sample++)
        {
            if (DigitImages.Set.Labels[sample] is not (< 3 and var label)) continue;
            Directory.CreateDirectory(_folder[$"digits/{names[label]}"]);
            File.Copy(Path.Combine(_folder["all"], $"digit-{sample:000}.png"), _folder[$"digits/{names[label]}/{sample}.png"]);
        }
        var job = Write("""
            task: classification
            data: { folder: digits, size: [8, 8], grey: true, test: 0.3 }
            model: { name: cnn, channels: [8], hidden: 16 }
            epochs: 15
            batch: 16
            micro-batches: 4
            optimizer: { name: adam, learning-rate: 0.01 }
            """);
        using var run = await TrainsTheSameBitsAsync(job);
        Assert.InRange(run.Report.TestMetric, 0.8, 1);

        using var evaluate =
            ProgramRun.Start(BuiltFiles.Coordinator, ["evaluate", "--run", run.Folder, "--device", "cpu", "--data-dir", _folder.Path]);
        await evaluate.EndsWithAsync(0);
        Assert.Contains(evaluate.Output,
            line => line.Contains("zero", StringComparison.Ordinal) && line.Contains('%', StringComparison.Ordinal));

        // Predicting needs no data.
        var image = Directory.EnumerateFiles(_folder["digits/zero"]).First();
        File.Copy(image, _folder["some.png"]);
        Directory.Delete(_folder["digits"], recursive: true);
        using var predict = ProgramRun.Start(
            BuiltFiles.Coordinator, ["predict", "--run", run.Folder, "--device", "cpu", "--json", _folder["some.png"]]);
        await predict.EndsWithAsync(0);
        using var answer = JsonDocument.Parse(string.Join('\n', predict.Output));
        var prediction = Prediction.Parse(Assert.Single(answer.RootElement.EnumerateArray()).GetRawText());
        Assert.Equal("zero", prediction.Label);
        Assert.Equal(["one", "two", "zero"], prediction.Probabilities!.Keys);
    }

    [Theory]
    [InlineData("{ idx: x.idx, labels: y.idx }")]
    [InlineData("{ npy: x.npy, targets: y.npy }")]
    public async Task Arrays_give_three_workers_the_bits_of_a_plain_loop(string data)
    {
        WriteArrays(DigitImages.Set);
        var job = Write($$"""
            task: classification
            data: {{data}}
            model: { name: mlp, hidden: [32] }
            epochs: 20
            batch: 32
            micro-batches: 4
            optimizer: { name: adam, learning-rate: 0.01 }
            """);
        using var run = await TrainsTheSameBitsAsync(job);
        Assert.InRange(run.Report.TestMetric, 0.8, 1);
    }

    [Fact]
    public async Task Bad_rows_end_the_run_before_it_begins()
    {
        File.WriteAllLines(_folder["a.csv"], ["x,y", "1,2", "1,two", "3,4"]);
        var job = Write("""
            task: regression
            data: { csv: a.csv, target: y }
            model: mlp
            epochs: 1
            batch: 1
            optimizer: sgd
            """);
        using var run = TrainingRun.Start(job, "--workers", "1", "--data-dir", _folder.Path);
        await run.Coordinator.EndsWithAsync(1);
        Assert.Contains(
            "a.csv: 1 of 3 samples cannot be used: line 3, column 'y' is 'two'; a number is expected. "
            + "Mend them, or leave them out with on-bad-sample: skip.",
            Assert.Single(run.Coordinator.Errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("star", 2)]
    [InlineData("mesh", 2, 0)]
    public async Task Workers_without_data_get_it_from_the_coordinator_once_and_train_the_same_bits(string topology, params int[] sent)
    {
        File.WriteAllLines(_folder["line.csv"],
            ["x,y", .. Enumerable.Range(0, 2000).Select(i => $"{Permutation.Mix(1, i, 0) % 1000 / 1000.0:0.000},{i % 7}")]);
        var job = Write($$"""
            task: regression
            data: { csv: line.csv, target: y }
            model: { name: mlp, hidden: [8], activation: tanh }
            epochs: 2
            batch: 100
            micro-batches: 4
            optimizer: { name: adam, learning-rate: 0.02 }
            topology: {{topology}}
            """);
        using var local = TrainingRun.Start(job, "--workers", "1", "--data-dir", _folder.Path);
        await local.Coordinator.EndsWithAsync(0);

        foreach (var expected in sent)
        {
            using var run = TrainingRun.Start(job, "--workers", "0", "--min-workers", "2", "--data-dir", _folder.Path);
            var address = (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;
            using var north = StartWorker(run, "north", address);
            using var south = StartWorker(run, "south", address);
            await run.Coordinator.EndsWithAsync(0);
            foreach (var worker in (ProgramRun[])[north, south]) await worker.EndsWithAsync(0);
            Assert.Equal(2, run.Report.Workers);
            Assert.Equal(local.Model, run.Model);
            Assert.Equal(expected, run.Coordinator.Output.Count(line => line.Contains(" is sent the data, ", StringComparison.Ordinal)));
        }
    }

    private async Task<TrainingRun> TrainsTheSameBitsAsync(string job)
    {
        var run = TrainingRun.Start(job, "--workers", "3", "--data-dir", _folder.Path);
        try
        {
            await run.Coordinator.EndsWithAsync(0);
            SameBits.Require(JobFile.Load(job), run, _folder.Path);
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    private ProgramRun StartWorker(TrainingRun run, string name, string coordinator) => ProgramRun.Start(
        BuiltFiles.Worker, ["--coordinator", coordinator, "--device", "cpu", "--name", name, "--token-file", run.TokenFile],
            ("XDG_CACHE_HOME", _folder[$"cache-{name}"]));

    /// <summary>The same images and classes as idx has them, and as NumPy saves them.</summary>
    private void WriteArrays(ImageSet set)
    {
        byte[] pixels = [.. set.Pixels.ToArray().Select(pixel => (byte)(15 * pixel))],
            labels = [.. Enumerable.Range(0, set.Count).Select(sample => (byte)set.Labels[sample])];
        File.WriteAllBytes(_folder["x.idx"], IdxBytes.Of([set.Count, set.Height, set.Width], pixels));
        File.WriteAllBytes(_folder["y.idx"], IdxBytes.Of([set.Count], labels));
        File.WriteAllBytes(_folder["x.npy"], NpyBytes.Of<byte>("|u1", [set.Count, 1, set.Height, set.Width], pixels));
        File.WriteAllBytes(_folder["y.npy"], NpyBytes.Of<byte>("|u1", [set.Count], labels));
    }

    private string Write(string job)
    {
        File.WriteAllText(_folder["job.yaml"], job);
        return _folder["job.yaml"];
    }

    [GeneratedRegex(@"^Waiting for 2 worker\(s\): .* --coordinator (\S+) --token-file \S+$")]
    private static partial Regex WaitingAt();
}
