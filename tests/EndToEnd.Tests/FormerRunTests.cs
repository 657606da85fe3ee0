using Distributed.EndToEnd.Tests.Processes;
using SkiaSharp;

namespace Distributed.EndToEnd.Tests;

/// <summary>
/// Run folders of former versions, one for each format, killed after 79 of 200 steps. version-7 is of the last version
/// without join tokens; its coordinator.json has no format number, and its ports were set to 0.
/// </summary>
public sealed class FormerRunTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("version-7")]
    public async Task The_run_of_a_former_version_is_inspected_evaluated_continued_and_predicts(string version)
    {
        Copy(BuiltFiles.FormerRun(version), _folder["run"]);
        using var inspect = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", _folder["run"]]);
        await inspect.EndsWithAsync(0);
        Assert.Contains(inspect.Output,
            line => line.StartsWith("step-000000077", StringComparison.Ordinal)
            && line.TrimEnd().EndsWith("intact", StringComparison.Ordinal));
        using var evaluate =
            ProgramRun.Start(BuiltFiles.Coordinator, ["evaluate", "--run", _folder["run"], "--checkpoint", "newest", "--device", "cpu"]);
        await evaluate.EndsWithAsync(0);
        Assert.Contains(evaluate.Output, line => line.StartsWith("Test accuracy ", StringComparison.Ordinal));

        using var resume = ProgramRun.Start(
            BuiltFiles.Coordinator, ["train", "--resume", "--run", _folder["run"], "--workers", "1", "--device", "cpu"]);
        await resume.EndsWithAsync(0);
        Assert.Empty(resume.Errors);
        Assert.Contains("Continuing digits: 157 of 400 rounds were recorded, the newest checkpoint is of step 77", resume.Output);
        Assert.Contains(resume.Output, line => line.Contains(": 287600 of 287600 samples applied.", StringComparison.Ordinal));
        Assert.Equal(200, File.ReadLines(_folder["run/history.csv"]).Count() - 1);
        Assert.False(File.Exists(_folder["run/join.token"]));

        DigitImages.WriteLarge(0, 8, _folder["digit.png"], SKEncodedImageFormat.Png);
        using var predict = ProgramRun.Start(
            BuiltFiles.Coordinator, ["predict", "--run", _folder["run"], _folder["digit.png"], "--device", "cpu"]);
        await predict.EndsWithAsync(0);
        Assert.Contains(predict.Output, line => line.Contains("digit.png", StringComparison.Ordinal));
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (var folder in Directory.EnumerateDirectories(from)) Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
    }
}
