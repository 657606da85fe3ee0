using Distributed.EndToEnd.Tests.Processes;
using SkiaSharp;

namespace Distributed.EndToEnd.Tests;

[Collection(Trained.Name)]
public sealed class PictureTests(TrainedModels models)
{
    [Theory]
    [InlineData("masks")]
    [InlineData("boxes")]
    public async Task A_run_ends_with_a_picture_that_can_be_drawn_again(string kind)
    {
        using var run = TrainingRun.Start(SmallJobs.Kinds[kind], "--workers", "1");
        await run.Coordinator.EndsWithAsync(0);
        var first = await File.ReadAllBytesAsync(run["examples.png"]);
        using (var picture = SKBitmap.Decode(first)) Assert.InRange(picture.Width, 500, 2000);
        File.Delete(run["examples.png"]);
        using var again = ProgramRun.Start(BuiltFiles.Coordinator, ["picture", "--run", run.Folder]);
        await again.EndsWithAsync(0);
        Assert.Equal(first, await File.ReadAllBytesAsync(run["examples.png"]));
        Assert.Equal([$"Picture: {run["examples.png"]}"], again.Output);
    }

    [Fact]
    public async Task A_run_of_another_task_has_no_picture()
    {
        var run = await models.RunAsync("mlp");
        Assert.False(File.Exists(run["examples.png"]));
        using var picture = ProgramRun.Start(BuiltFiles.Coordinator, ["picture", "--run", run.Folder]);
        await picture.EndsWithAsync(2);
        Assert.Equal(
            [
                $"error: the run in '{run.Folder}' is of the task classification, which has no picture; "
                + "give the folder of a run that has one",
            ],
            picture.Errors);
        Assert.False(File.Exists(run["examples.png"]));
    }
}
