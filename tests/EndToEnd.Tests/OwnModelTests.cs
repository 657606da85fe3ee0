using System.Text.Json;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;

namespace Distributed.EndToEnd.Tests;

/// <summary>Models of the user: libraries in C#, and TorchScript.</summary>
[Collection(Trained.Name)]
public sealed class OwnModelTests(TrainedModels models) : IDisposable
{
    private const double Tolerance = 1e-5;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_model_and_a_task_of_a_library_give_the_same_bits_with_one_worker_and_with_three()
    {
        var job = Job("task={name: plugin, class: MarginTask, metric: accuracy, settings: {margin: 0.5}}", "loss=plugin",
            "model={name: plugin, class: TinyPlugin.TinyNet, settings: {hidden: 24}}");
        using var one = TrainingRun.Start(job, "--workers", "1", "--plugin", BuiltFiles.TinyPlugin);
        await one.Coordinator.EndsWithAsync(0);
        using var three = TrainingRun.Start(job, "--workers", "3", "--plugin", BuiltFiles.TinyPlugin);
        await three.Coordinator.EndsWithAsync(0);
        Assert.Equal(one.Model, three.Model);
        Assert.Equal(["_layers.hidden.bias", "_layers.hidden.weight", "_layers.output.bias", "_layers.output.weight"],
            Safetensors.Read(one.Model).Tensors.Select(tensor => tensor.Name).Order());

        using var evaluate = ProgramRun.Start(
            BuiltFiles.Coordinator,
            ["evaluate", "--run", one.Folder, "--device", "cpu", "--plugin", BuiltFiles.TinyPlugin]);
        await evaluate.EndsWithAsync(0);
        using var evaluation = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(one.Folder, "evaluation", "evaluation.json")));
        Assert.Equal(one.Report.TestMetric, evaluation.RootElement.GetProperty("test_metric").GetDouble());
        var predictions = await PredictAsync(one.Folder, "--plugin", BuiltFiles.TinyPlugin);
        Assert.Equal(one.Report.TestMetric, predictions.Select((p, i) => p.Label == $"{DigitImages.Set.Labels[i]}" ? 1.0 : 0).Average());
    }

    [Fact]
    public async Task A_task_with_a_thousand_metrics_trains()
    {
        // Steps are short, so that the reports of 200 ms, which a worker sends together, exceed the size of a message.
        var job = Job("task={name: plugin, class: ThousandMetrics, metric: accuracy}", "loss=plugin", "model={name: mlp, hidden: [4]}",
            "batch=4", "micro-batches=1");
        using var run = TrainingRun.Start(job, "--workers", "1", "--plugin", typeof(ThousandMetrics).Assembly.Location);
        await run.Coordinator.EndsWithAsync(0);
        Assert.Equal((720, run.Report.SamplesExpected), (run.Report.Steps, run.Report.SamplesApplied));
        Assert.Equal(720, (await File.ReadAllLinesAsync(run["history.csv"])).Length - 1);
    }

    [Fact]
    public async Task A_worker_without_the_library_refuses_the_job_and_says_what_to_do()
    {
        using var run = TrainingRun.Start(Job("model={name: plugin, class: TinyNet}"), "--workers", "1");
        await run.Coordinator.EndsWithAsync(1);
        Assert.Contains(
            "the job's model is TinyNet, a class of a plugin, and this worker was started without any; "
            + "start it with --plugin and the library that has TinyNet",
            Assert.Single(run.Coordinator.Errors), StringComparison.Ordinal);
        using var worker = ProgramRun.Start(BuiltFiles.Worker, ["--coordinator", "127.0.0.1:1", "--plugin", BuiltFiles.Document("gpu.md")]);
        await worker.EndsWithAsync(2);
        Assert.Equal(
            [
                $"error: --plugin is '{BuiltFiles.Document("gpu.md")}', which is no .NET library for this machine; "
                + "allowed: the .dll of a class library",
            ],
            worker.Errors);
    }

    [Fact]
    public async Task TorchScript_of_Python_is_trained_to_the_same_bits_by_any_number_of_workers_and_goes_back_to_Python()
    {
        await Python.RequireTorchAsync();
        // TorchScript is compiled from the source text of a class, which must be in a file.
        await File.WriteAllTextAsync(_folder["net.py"], Script);
        await Python.RunAsync("""import runpy; runpy.run_path("net.py", run_name="__main__")""", _folder.Path);
        // libtorch would optimize this script from its second pass on, if it were allowed to.
        var job = Job($"model={{name: torchscript, file: {_folder["net.pt"]}}}");
        using var one = TrainingRun.Start(job, "--workers", "1");
        await one.Coordinator.EndsWithAsync(0);
        using var three = TrainingRun.Start(job, "--workers", "3");
        await three.Coordinator.EndsWithAsync(0);
        Assert.Equal(one.Model, three.Model);
        Assert.InRange(one.Report.TestMetric, 0.8, 1);

        // From here on the original file is not needed.
        File.Delete(_folder["net.pt"]);
        File.Copy(one["model.pt"], _folder["model.pt"]);
        await File.WriteAllTextAsync(_folder["images.json"], JsonSerializer.Serialize(DigitImages.Inputs()));
        var printed = await Python.RunAsync(
            """
            import json, torch
            model = torch.jit.load("model.pt")
            images = torch.tensor(json.load(open("images.json"))).reshape(-1, 1, 8, 8)
            print(json.dumps({"training": model.training, "names": list(model.state_dict().keys()), "logits": model(images).tolist()}))
            """, _folder.Path);
        using var python = JsonDocument.Parse(printed);
        Assert.False(python.RootElement.GetProperty("training").GetBoolean());
        Assert.Equal(
            python.RootElement.GetProperty("names").EnumerateArray().Select(name => name.GetString()!).Order(StringComparer.Ordinal),
            Safetensors.Read(one.Model).Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal));
        var expected = python.RootElement.GetProperty("logits").Deserialize<float[][]>()!;
        var found = await PredictAsync(one.Folder);
        Assert.Equal(expected.Length, found.Count);
        foreach (var (ours, theirs) in found.Zip(expected))
            for (var i = 0; i < 10; i++) Assert.Equal(theirs[i], ours.Logits![i], Tolerance);

        File.Delete(three["model.pt"]);
        using var export = ProgramRun.Start(BuiltFiles.Coordinator, ["export", "--run", three.Folder]);
        await export.EndsWithAsync(2);
        Assert.StartsWith($"error: model.file is '{_folder["net.pt"]}', which does not exist", Assert.Single(export.Errors),
            StringComparison.Ordinal);
    }

    private const string Script =
        """
        import torch
        import torch.nn.functional as F
        torch.manual_seed(3)

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = torch.nn.Conv2d(1, 8, 3, padding=1)
                self.norm = torch.nn.BatchNorm2d(8)
                self.fc = torch.nn.Linear(128, 10)

            def forward(self, x):
                x = F.max_pool2d(self.norm(self.conv(x)), 2).flatten(1)
                x = torch.tanh(x) * torch.sigmoid(x) + 0.3 * torch.exp(-x * x)
                return self.fc(F.dropout(F.gelu(x), 0.2, self.training))

        torch.jit.script(Net()).save("net.pt")
        """;

    private static Job Job(params string[] settings) =>
        JobFile.Parse(JobFile.Format(Jobs.Job.Default), "the embedded job", [.. settings, "epochs=2", "schedule=constant"]);

    private async Task<IReadOnlyList<Prediction>> PredictAsync(string run, params string[] more)
    {
        using var predict = ProgramRun.Start(
            BuiltFiles.Coordinator, ["predict", "--run", run, "--device", "cpu", "--json", models.Images, .. more]);
        await predict.EndsWithAsync(0);
        using var document = JsonDocument.Parse(string.Join('\n', predict.Output));
        return [.. document.RootElement.EnumerateArray().Select(element => Prediction.Parse(element.GetRawText()))];
    }
}
