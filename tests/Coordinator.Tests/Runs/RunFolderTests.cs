using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_default_folder_is_named_after_the_time_and_the_job_and_is_never_shared()
    {
        using var first = Default("a/b c");
        using var second = Default("a/b c");
        File.WriteAllText(second.JobFile, "");
        second.Dispose();
        using var third = Default("a/b c");
        Assert.Equal(_temporary["20260203-040506-a-b-c"], first.Path);
        Assert.Equal(_temporary["20260203-040506-a-b-c-2"], second.Path);
        Assert.Equal(_temporary["20260203-040506-a-b-c-3"], third.Path);

        RunFolder Default(string job) => RunFolder.Create(null, job, overwrite: false, _temporary.Path, new ManualTime());
    }

    [Fact]
    public void A_new_folder_is_created_with_its_parents_and_a_folder_for_logs()
    {
        using var folder = Create("x/y");
        Assert.Equal(_temporary["x/y"], folder.Path);
        Assert.True(Directory.Exists(folder.Logs));
    }

    [Theory]
    [InlineData("job.yaml")]
    [InlineData("report.json")]
    [InlineData("model.safetensors")]
    public void A_folder_that_holds_a_run_is_refused_with_advice_and_left_untouched(string file)
    {
        File.WriteAllText(_temporary[file], "old");
        var message = Assert.Throws<RunFolderException>(() => Create("")).Message;
        Assert.Contains("already holds a run", message);
        Assert.Contains("--overwrite", message);
        Assert.Contains("--run", message);
        Assert.Equal([_temporary[file]], Directory.GetFileSystemEntries(_temporary.Path));
    }

    [Fact]
    public void Overwriting_removes_what_a_run_writes_and_nothing_else()
    {
        using (var old = Create(""))
        {
            foreach (var file in (string[])[old.JobFile, old.ModelFile, old.HistoryFile, old.LossPicture, old.ReportFile,
                old.ModelFile + ".tmp"])
                File.WriteAllText(file, "old");
            File.WriteAllText(Path.Combine(old.Logs, "worker-1.log"), "old");
            File.WriteAllText(_temporary["notes.txt"], "mine");
        }
        Create("", overwrite: true).Dispose();
        Assert.Equal(
            [_temporary["logs"], _temporary["notes.txt"]],
            Directory.GetFileSystemEntries(_temporary.Path, "*", SearchOption.AllDirectories).Order());
    }

    [Fact]
    public void A_folder_in_use_is_refused_even_to_overwrite()
    {
        using var folder = Create("");
        Assert.Contains("Another run", Assert.Throws<RunFolderException>(() => Create("", overwrite: true)).Message);
        File.WriteAllText(folder.JobFile, "");
        Assert.Matches(@"has a coordinator \(process \d+ on .+, since .+ UTC\)\. It can be resumed when that has ended",
            Assert.Throws<RunFolderException>(() => RunFolder.Resume(folder.Path)).Message);
    }

    [Fact]
    public void A_file_instead_of_a_folder_is_refused()
    {
        File.WriteAllText(_temporary["x"], "");
        Assert.Contains("cannot be a run's folder", Assert.Throws<RunFolderException>(() => Create("x")).Message);
        Assert.Throws<RunFolderException>(() => RunFolder.Create("", "job", overwrite: false));
    }

    private RunFolder Create(string name, bool overwrite = false) => RunFolder.Create(_temporary[name], "job", overwrite);
}
