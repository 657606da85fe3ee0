using System.Security.Cryptography;
using System.Text.Json;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs.State;

namespace Distributed.EndToEnd.Tests;

[Collection(Trained.Name)]
public sealed class InspectTests(TrainedModels models) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_model_is_shown_by_its_tensors_and_its_sum()
    {
        var run = await models.RunAsync("cnn");
        var found = (await InspectAsync(0, run["model.safetensors"])).RootElement;
        Assert.Equal("safetensors", found.GetProperty("kind").GetString());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(run.Model)), found.GetProperty("sha256").GetString());
        Assert.Equal(
            Safetensors.Read(run.Model).Tensors.Select(t => $"{t.Name} {t.DType}[{string.Join(',', t.Shape)}] {t.Data.Length}"),
            found.GetProperty("tensors").EnumerateArray().Select(t => $"{t.GetProperty("name")} {t.GetProperty("dtype")}"
                + $"[{string.Join(',', t.GetProperty("shape").EnumerateArray())}] {t.GetProperty("bytes")}"));

        using var text = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", run["model.safetensors"]]);
        await text.EndsWithAsync(0);
        Assert.Contains(text.Output, line => line.StartsWith("norm1.num_batches_tracked  I64    []  ", StringComparison.Ordinal));
        Assert.Empty(text.Errors);
    }

    [Fact]
    public async Task NaN_and_infinity_are_counted_and_flagged()
    {
        var file = _folder["weights.safetensors"];
        await File.WriteAllBytesAsync(file, Safetensors.ToBytes(
            [new("w", "F32", [4], Floats(1, float.NaN, float.PositiveInfinity, 3))],
            new Dictionary<string, string> { ["made by"] = "hand" }));
        var found = (await InspectAsync(0, file)).RootElement;
        var tensor = found.GetProperty("tensors")[0];
        Assert.Equal((1, 1, 2.0),
            (tensor.GetProperty("nan").GetInt32(), tensor.GetProperty("infinite").GetInt32(), tensor.GetProperty("mean").GetDouble()));
        Assert.Equal("hand", found.GetProperty("metadata").GetProperty("made by").GetString());
        using var text = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", file]);
        await text.EndsWithAsync(0);
        Assert.Contains(text.Output,
            line => line.StartsWith("NOT FINITE", StringComparison.Ordinal)
            && line.Contains("2 element(s) are NaN or infinite, in w", StringComparison.Ordinal));
        Assert.Contains(text.Output, line => line.TrimEnd().EndsWith("1 NaN, 1 infinite", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_run_is_shown_by_its_job_its_end_and_its_checkpoints()
    {
        var folder = Copy(await models.RunAsync("mlp"));
        var checkpoint = await CheckpointAsync(folder, 46);
        var found = (await InspectAsync(0, folder)).RootElement;
        Assert.Equal(("run", "finished"), (found.GetProperty("kind").GetString(), found.GetProperty("state").GetString()));
        Assert.Equal("mlp with hidden 128, 64, relu", found.GetProperty("job").GetProperty("model").GetString());
        Assert.Equal(46, found.GetProperty("last_step").GetProperty("step").GetInt64());
        Assert.Equal(2, found.GetProperty("last_evaluation").GetProperty("epoch").GetInt32());
        Assert.Equal(46, found.GetProperty("report").GetProperty("steps").GetInt64());
        Assert.Equal(checkpoint, Assert.Single(found.GetProperty("checkpoints").EnumerateArray()).GetProperty("folder").GetString());
        Assert.Equal(46, (await InspectAsync(0, checkpoint)).RootElement.GetProperty("manifest").GetProperty("step").GetInt64());

        File.Delete(Path.Combine(folder, "report.json"));
        File.Delete(Path.Combine(folder, "model.safetensors"));
        Assert.Equal("unfinished", (await InspectAsync(0, folder)).RootElement.GetProperty("state").GetString());
    }

    [Theory]
    [InlineData("model.safetensors", "model.safetensors' is not the trained model: the SHA-256 of its tensors is ")]
    [InlineData("history.csv", "history.csv' is damaged: ")]
    [InlineData("job.yaml", "job.yaml")]
    [InlineData("report.json", "report.json' is damaged: ")]
    [InlineData("checkpoints/step-000000046/optimizer.safetensors", "optimizer.safetensors' is damaged: its SHA-256 is ")]
    [InlineData("checkpoints/step-000000046/manifest.json", "manifest.json' is damaged: ")]
    public async Task A_damaged_file_of_a_run_is_named(string file, string complaint)
    {
        var folder = Copy(await models.RunAsync("mlp"));
        await CheckpointAsync(folder, 46);
        var path = Path.Combine(folder, file);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^2] = (byte)'!';
        await File.WriteAllBytesAsync(path, bytes);
        using var inspect = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", folder]);
        await inspect.EndsWithAsync(1);
        Assert.Contains(complaint, Assert.Single(inspect.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_truncated_tensor_file_is_damaged_and_another_file_unknown()
    {
        var run = await models.RunAsync("mlp");
        await File.WriteAllBytesAsync(_folder["cut.safetensors"], run.Model[..1000]);
        await RefusesAsync(1, $"'{_folder["cut.safetensors"]}' is damaged: ", _folder["cut.safetensors"]);
        await File.WriteAllTextAsync(_folder["empty.safetensors"], "");
        await RefusesAsync(1, $"'{_folder["empty.safetensors"]}' is damaged: it is empty, or not a regular file",
            _folder["empty.safetensors"]);
        await RefusesAsync(2, "'/dev/zero' is neither a safetensors file", "/dev/zero");
        await RefusesAsync(2, $"'{run["loss.png"]}' is neither a safetensors file, a run folder nor a checkpoint folder; give one of these",
            run["loss.png"]);
        await RefusesAsync(2, $"'{models.Images}' is neither a safetensors file", models.Images);
        await RefusesAsync(2, $"'{_folder["gone"]}' does not exist; give a safetensors file", _folder["gone"]);
        await RefusesAsync(2, "unknown option --bogus; inspect --help lists the options", "--bogus");
        Directory.CreateDirectory(_folder["step-000000001"]);
        await RefusesAsync(1,
            $"'{Path.Combine(_folder["step-000000001"], "manifest.json")}' does not exist: the checkpoint is not complete",
            _folder["step-000000001"]);
    }

    [Theory]
    [InlineData("train", "Example: train ")]
    [InlineData("predict", "Example: predict ")]
    [InlineData("inspect", "Example: inspect ")]
    public async Task Every_command_has_help_with_an_example(string command, string example)
    {
        using var help = ProgramRun.Start(BuiltFiles.Coordinator, [command, "--help"]);
        await help.EndsWithAsync(0);
        Assert.Contains(example, string.Join('\n', help.Output), StringComparison.Ordinal);
    }

    private string Copy(TrainingRun run)
    {
        Directory.CreateDirectory(_folder["run"]);
        foreach (var file in Directory.EnumerateFiles(run.Folder)) File.Copy(file, Path.Combine(_folder["run"], Path.GetFileName(file)));
        return _folder["run"];
    }

    private static async Task<string> CheckpointAsync(string run, long step)
    {
        var folder = Directory.CreateDirectory(Path.Combine(run, "checkpoints", $"step-{step:000000000}")).FullName;
        byte[][] contents =
        [
            await File.ReadAllBytesAsync(Path.Combine(run, "model.safetensors")),
            Safetensors.ToBytes([new("step_count", "I64", [], new byte[8])]),
        ];
        string[] names = ["model.safetensors", "optimizer.safetensors"];
        for (var i = 0; i < 2; i++) await File.WriteAllBytesAsync(Path.Combine(folder, names[i]), contents[i]);
        await File.WriteAllTextAsync(Path.Combine(folder, "manifest.json"), JsonSerializer.Serialize(new
        {
            version = 2,
            step,
            round = step + 1,
            epoch = 1,
            digest = new string('0', 32),
            test_loss = 0.5,
            metric = (string?)null,
            test_metric = (double?)null,
            saved_at = DateTimeOffset.UnixEpoch,
            job_sha256 = new string('a', 64),
            program = "1.0",
            files = names.Zip(contents,
                (name, bytes) => new { name, bytes = bytes.Length, sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)) }),
        }) + "\n");
        return folder;
    }

    private static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private static async Task<JsonDocument> InspectAsync(int exitCode, string path)
    {
        using var inspect = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", path, "--json"]);
        await inspect.EndsWithAsync(exitCode);
        return JsonDocument.Parse(string.Join('\n', inspect.Output));
    }

    private static async Task RefusesAsync(int exitCode, string complaint, string path)
    {
        using var inspect = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", path]);
        await inspect.EndsWithAsync(exitCode);
        Assert.StartsWith("error: " + complaint, Assert.Single(inspect.Errors), StringComparison.Ordinal);
    }
}
