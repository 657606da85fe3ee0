using System.Text.Json;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;
using SkiaSharp;

namespace Distributed.EndToEnd.Tests;

[Collection(Trained.Name)]
public sealed class PredictTests(TrainedModels models) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("cnn")]
    [InlineData("mlp")]
    public async Task The_test_images_as_files_give_the_accuracy_and_the_loss_that_the_run_reports(string model)
    {
        var run = await models.RunAsync(model);
        var predictions = await PredictAsync(0, run.Folder, models.Images);
        Assert.Equal(Enumerable.Range(0, DigitImages.Set.Count).Select(i => Path.Combine(models.Images, $"digit-{i:000}.png")),
            predictions.Select(p => p.File));
        Assert.Equal(run.Report.TestMetric, predictions.Select((p, i) => p.Label == $"{DigitImages.Set.Labels[i]}" ? 1.0 : 0).Average());
        Assert.Equal(run.Report.TestLoss,
            predictions.Select((p, i) => -Math.Log(p.Probabilities![$"{DigitImages.Set.Labels[i]}"])).Average(), 1e-5);
        Assert.All(predictions, p => Assert.Equal(1, p.Probabilities!.Values.Sum(), 1e-5));
    }

    [Fact]
    public async Task An_image_has_the_same_logits_alone_or_with_others_and_an_enlarged_one_the_same_class()
    {
        var run = await models.RunAsync("cnn");
        var all = await PredictAsync(0, run.Folder, models.Images);
        // The model still recognizes a clear image when it is enlarged.
        var sure = Enumerable.Range(0, all.Count).MaxBy(i => all[i].Probability);
        DigitImages.WriteLarge(sure, 40, _folder["large.png"], SKEncodedImageFormat.Png);
        DigitImages.WriteLarge(sure, 40, _folder["large.jpg"], SKEncodedImageFormat.Jpeg);
        var some = await PredictAsync(0, run.Folder, _folder["large.jpg"], all[sure].File, _folder["large.png"]);
        Assert.Equal(all[sure].ToLine(), some[1].ToLine());
        Assert.Equal((all[sure].Label, all[sure].Label), (some[0].Label, some[2].Label));
    }

    [Fact]
    public async Task A_file_that_is_not_an_image_is_named_and_the_others_are_predicted()
    {
        var run = await models.RunAsync("mlp");
        var good = Path.Combine(models.Images, "digit-000.png");
        File.WriteAllBytes(_folder["cut.png"], (await File.ReadAllBytesAsync(good))[..60]);
        File.WriteAllText(_folder["text.png"], "no image at all");
        using var predict = Start("--run", run.Folder, _folder["cut.png"], good, _folder["text.png"], _folder["gone.png"], "--json");
        await predict.EndsWithAsync(1);
        Assert.Equal(
            [
                $"error: {_folder["cut.png"]} is cut short",
                $"error: {_folder["text.png"]} is neither PNG nor JPEG: it begins with the bytes 6e6f20696d616765",
                $"error: {_folder["gone.png"]} does not exist",
            ],
            predict.Errors);
        var predictions = Parse(predict);
        Assert.Equal([_folder["cut.png"], good, _folder["text.png"], _folder["gone.png"]], predictions.Select(p => p.File));
        Assert.Equal([false, true, false, false], predictions.Select(p => p.Label is not null));
        Assert.Equal("is cut short", predictions[0].Error);
    }

    [Fact]
    public async Task Without_json_an_image_is_a_line_with_its_label_and_the_five_most_probable()
    {
        var run = await models.RunAsync("mlp");
        var image = Path.Combine(models.Images, "digit-000.png");
        var expected = Assert.Single(await PredictAsync(0, run.Folder, image));
        using var predict = Start("--run", run.Folder, image);
        await predict.EndsWithAsync(0);
        Assert.Equal(2, predict.Output.Count);
        Assert.Equal("file label probability most probable",
            string.Join(' ', predict.Output[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        var five = expected.Probabilities!.OrderByDescending(p => p.Value).Take(5)
            .Select(p => FormattableString.Invariant($"{p.Key} {100 * p.Value:0.00} %"));
        Assert.Equal(
            FormattableString.Invariant($"{image} {expected.Label} {100 * expected.Probability:0.00} % {string.Join(", ", five)}"),
            string.Join(' ', predict.Output[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Theory]
    [InlineData("no folder", "' does not exist; give the folder of a finished run with --run")]
    [InlineData("no run", "' has no job.yaml, so it holds no run; give the folder of a finished run with --run")]
    [InlineData("no model",
        "' has no model.safetensors: its run is not finished; go on with it (train --resume --run DIR), or give the folder of another")]
    [InlineData("a cut model", "is damaged, or not of this run: The tensors take ")]
    [InlineData("a changed number", "is damaged, or not of this run: the SHA-256 of its tensors is ")]
    [InlineData("another job", "is damaged, or not of this run: its fc1.weight is F32[128,64] and should be F32[16,64]; ")]
    [InlineData("a damaged job", "job.yaml:1: ")]
    [InlineData("a damaged report", "report.json' is damaged: ")]
    public async Task A_run_that_cannot_predict_is_refused_with_the_reason(string fault, string complaint)
    {
        var run = await models.RunAsync("mlp");
        var folder = _folder["run"];
        if (fault != "no folder") Directory.CreateDirectory(folder);
        foreach (var name in fault is "no folder" or "no run" ? [] : new[] { "job.yaml", "model.safetensors", "report.json" })
            File.Copy(run[name], Path.Combine(folder, name));
        var (job, model) = (Path.Combine(folder, "job.yaml"), Path.Combine(folder, "model.safetensors"));
        if (fault == "no model") File.Delete(model);
        if (fault == "a cut model") File.WriteAllBytes(model, run.Model[..^1000]);
        if (fault == "a changed number") File.WriteAllBytes(model, [.. run.Model[..^4], .. BitConverter.GetBytes(1f)]);
        if (fault == "another job")
            File.WriteAllText(job,
                (await File.ReadAllTextAsync(job)).Replace("hidden: [128, 64]", "hidden: [16, 64]", StringComparison.Ordinal));
        if (fault == "a damaged job") File.WriteAllText(job, "tusk: classification");
        if (fault == "a damaged report") File.WriteAllText(Path.Combine(folder, "report.json"), "{");
        await RefusesAsync(complaint, "--run", folder, Path.Combine(models.Images, "digit-000.png"));
    }

    [Fact]
    public async Task A_bad_command_line_is_refused()
    {
        var run = (await models.RunAsync("mlp")).Folder;
        var image = Path.Combine(models.Images, "digit-000.png");
        await RefusesAsync("Option '--run' is required.", image);
        await RefusesAsync("Required argument missing for command: 'predict'.", "--run", run);
        await RefusesAsync("unknown option --bogus; predict --help lists the options", "--run", run, image, "--bogus");
        await RefusesAsync("Device 'cuda:99' was asked for", "--run", run, image, "--device", "cuda:99");
        await RefusesAsync("has no file that ends in .png, .jpg, .jpeg", "--run", run, image, _folder.Path);
    }

    [Fact]
    public async Task A_model_that_has_diverged_predicts_nothing()
    {
        var run = await models.RunAsync("mlp");
        Directory.CreateDirectory(_folder["run"]);
        File.Copy(run["job.yaml"], Path.Combine(_folder["run"], "job.yaml"));
        // Without a report, which would show another sum.
        using (var file = File.Create(Path.Combine(_folder["run"], "model.safetensors")))
            Safetensors.Write(file, [.. Safetensors.Read(run.Model).Tensors.Select(tensor =>
                tensor.Name == "fc3.bias" ? tensor with { Data = Enumerable.Repeat((byte)0xff, 40).ToArray() } : tensor)]);
        using var predict = Start("--run", _folder["run"], Path.Combine(models.Images, "digit-000.png"));
        await predict.EndsWithAsync(1);
        Assert.EndsWith(
            "makes the model give numbers that are not finite: its training has diverged; train again, with a lower learning rate",
            Assert.Single(predict.Errors), StringComparison.Ordinal);
        Assert.Empty(predict.Output);
    }

    private static ProgramRun Start(params IEnumerable<string> arguments) =>
        ProgramRun.Start(BuiltFiles.Coordinator, ["predict", .. arguments]);

    private static async Task<IReadOnlyList<Prediction>> PredictAsync(int exitCode, string run, params IEnumerable<string> images)
    {
        using var predict = Start(["--run", run, "--device", "cpu", "--json", .. images]);
        await predict.EndsWithAsync(exitCode);
        Assert.Empty(predict.Errors);
        return Parse(predict);
    }

    private static IReadOnlyList<Prediction> Parse(ProgramRun predict)
    {
        using var document = JsonDocument.Parse(string.Join('\n', predict.Output));
        return [.. document.RootElement.EnumerateArray().Select(element => Prediction.Parse(element.GetRawText()))];
    }

    private static async Task RefusesAsync(string complaint, params IEnumerable<string> arguments)
    {
        using var predict = Start(arguments);
        await predict.EndsWithAsync(2);
        var error = Assert.Single(predict.Errors);
        Assert.StartsWith("error: ", error, StringComparison.Ordinal);
        Assert.Contains(complaint, error, StringComparison.Ordinal);
        Assert.Empty(predict.Output);
    }
}
