using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

[Collection(Trained.Name)]
public sealed class CompareTests(TrainedModels models) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Runs_stand_side_by_side_in_a_table_and_a_picture()
    {
        var (cnn, mlp) = (await models.RunAsync("cnn"), await models.RunAsync("mlp"));
        using var compare = ProgramRun.Start(BuiltFiles.Coordinator, ["compare", cnn.Folder, mlp.Folder, "--out", _folder["both.png"]]);
        await compare.EndsWithAsync(0);
        foreach (var run in (TrainingRun[])[cnn, mlp])
        {
            var row = Assert.Single(compare.Output, line => line.StartsWith(run.Folder, StringComparison.Ordinal));
            Assert.Contains($" {run.Report.Steps} ", row, StringComparison.Ordinal);
            Assert.Contains($" {run.Report.SamplesApplied} ", row, StringComparison.Ordinal);
        }
        Assert.Equal($"Picture: {_folder["both.png"]}", compare.Output[^1]);
        Assert.Equal("PNG"u8.ToArray(), (await File.ReadAllBytesAsync(_folder["both.png"]))[1..4]);
        Assert.Empty(compare.Errors);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_compared_is_named()
    {
        using var compare = ProgramRun.Start(BuiltFiles.Coordinator, ["compare", _folder.Path]);
        await compare.EndsWithAsync(2);
        Assert.Equal([$"error: '{_folder.Path}' holds no run: it has no job.yaml; give the folders of finished runs"], compare.Errors);
        Assert.Empty(compare.Output);
    }

    [Fact]
    public async Task A_picture_that_cannot_be_written_is_named()
    {
        var run = await models.RunAsync("cnn");
        using var compare = ProgramRun.Start(BuiltFiles.Coordinator, ["compare", run.Folder, "--out", _folder["none/both.png"]]);
        await compare.EndsWithAsync(1);
        Assert.StartsWith($"error: '{_folder["none/both.png"]}' cannot be written: ", Assert.Single(compare.Errors),
            StringComparison.Ordinal);
    }
}
