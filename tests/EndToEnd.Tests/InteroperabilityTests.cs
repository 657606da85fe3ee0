using System.Text.Json;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;

namespace Distributed.EndToEnd.Tests;

/// <summary>Runs the Python code of docs/interoperability.md.</summary>
[Collection(Trained.Name)]
public sealed partial class InteroperabilityTests(TrainedModels models) : IDisposable
{
    private const double Tolerance = 1e-5;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("cnn", "The cnn of jobs/digits.yaml")]
    [InlineData("resnet", "A resnet")]
    [InlineData("mlp", "An mlp")]
    public async Task A_trained_model_gives_the_logits_of_predict_in_PyTorch(string model, string heading)
    {
        await Python.RequireTorchAsync();
        var run = await models.RunAsync(model);
        await File.WriteAllTextAsync(_folder["images.json"], JsonSerializer.Serialize(DigitImages.Inputs()));
        var images = $"images = torch.tensor(json.load(open({JsonSerializer.Serialize(_folder["images.json"])}))).reshape(-1, 1, 8, 8)";
        var printed = await Python.RunAsync(
            string.Join('\n', PythonUnder("Reading"), PythonUnder(heading), images, "print(json.dumps(model(images).tolist()))"),
                run.Folder);
        var expected = JsonSerializer.Deserialize<float[][]>(printed)!;

        using var predict = ProgramRun.Start(
            BuiltFiles.Coordinator, ["predict", "--run", run.Folder, "--device", "cpu", "--json", models.Images]);
        await predict.EndsWithAsync(0);
        using var document = JsonDocument.Parse(string.Join('\n', predict.Output));
        var found = document.RootElement.EnumerateArray().Select(element => Prediction.Parse(element.GetRawText()).Logits!).ToList();
        Assert.Equal(DigitImages.Set.Count, found.Count);
        Assert.Equal(found.Count, expected.Length);
        foreach (var (ours, theirs) in found.Zip(expected))
            for (var i = 0; i < 10; i++) Assert.Equal(theirs[i], ours[i], Tolerance);
    }

    [Theory]
    [InlineData("cnn", "The cnn of jobs/digits.yaml")]
    [InlineData("resnet", "A resnet")]
    [InlineData("mlp", "An mlp")]
    public async Task A_file_of_PyTorch_is_read_to_the_bit(string model, string heading)
    {
        await Python.RequireTorchAsync();
        var run = await models.RunAsync(model);
        File.Copy(run["model.safetensors"], _folder["model.safetensors"]);
        await Python.RunAsync(string.Join('\n', PythonUnder("Reading"), PythonUnder(heading), PythonUnder("Writing")), _folder.Path);
        Assert.Equal(Tensors(run.Model), Tensors(await File.ReadAllBytesAsync(_folder["weights.safetensors"])));

        static IEnumerable<string> Tensors(byte[] file) => Safetensors.Read(file).Tensors.Select(tensor =>
            $"{tensor.Name} {tensor.DType}[{string.Join(',', tensor.Shape)}] {Convert.ToHexString(tensor.Data.Span)}");
    }

    [Fact]
    public async Task Weights_of_PyTorch_are_trained_from_their_exact_bits()
    {
        await Python.RequireTorchAsync();
        var run = await models.RunAsync("mlp");
        File.Copy(run["model.safetensors"], _folder["model.safetensors"]);
        await File.WriteAllTextAsync(_folder["images.json"], JsonSerializer.Serialize(DigitImages.Inputs()));
        var made = string.Join('\n', PythonUnder("Reading"), PythonUnder("An mlp"), "torch.manual_seed(5)",
            "[p.data.normal_(0, 0.1) for p in model.parameters()]", PythonUnder("Writing"),
            "print(json.dumps(model(torch.tensor(json.load(open('images.json'))).reshape(-1, 1, 8, 8)).tolist()))");
        var expected = JsonSerializer.Deserialize<float[][]>(await Python.RunAsync(made, _folder.Path))!;
        // Such a small learning rate changes no bit: the output equals the input.
        using var train = ProgramRun.Start(
            BuiltFiles.Coordinator, ["train", run["job.yaml"], "--run", _folder["run"], "--workers", "2", "--device", "cpu",
            "--init", _folder["weights.safetensors"], "--set", "optimizer={name: sgd, learning-rate: 1.0e-30}", "--set",
                "schedule=constant", "--set", "epochs=1"]);
        await train.EndsWithAsync(0);
        using var predict = ProgramRun.Start(
            BuiltFiles.Coordinator, ["predict", "--run", _folder["run"], "--device", "cpu", "--json", models.Images]);
        await predict.EndsWithAsync(0);
        using var document = JsonDocument.Parse(string.Join('\n', predict.Output));
        var found = document.RootElement.EnumerateArray().Select(element => Prediction.Parse(element.GetRawText()).Logits!).ToList();
        foreach (var (ours, theirs) in found.Zip(expected))
            for (var i = 0; i < 10; i++) Assert.Equal(theirs[i], ours[i], Tolerance);
    }

    /// <summary>The block of Python under a heading of the page.</summary>
    private static string PythonUnder(string heading)
    {
        var page = File.ReadAllText(BuiltFiles.Document("interoperability.md"));
        var section = page.Split("\n## ").Single(part => part.StartsWith(heading + "\n", StringComparison.Ordinal));
        return Assert.Single(Block().Matches(section)).Groups[1].Value;
    }

    [GeneratedRegex(@"^```python\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
