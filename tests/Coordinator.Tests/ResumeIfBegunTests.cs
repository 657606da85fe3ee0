using Distributed.Coordinator.Commands;
using Distributed.Coordinator.Runs;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests;

public sealed class ResumeIfBegunTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_run_without_a_folder_is_begun()
    {
        var (next, folder) = ResumeIfBegun.Decide(Arguments("new") with { Init = "first.safetensors" })!.Value;
        using var taken = folder;
        Assert.Equal((false, "first.safetensors"), (next.Resume, next.Init));
    }

    [Fact]
    public void A_run_that_no_worker_joined_is_begun_again()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        var (next, folder) = ResumeIfBegun.Decide(Arguments(""))!.Value;
        using var taken = folder;
        Assert.Equal((false, true), (next.Resume, next.Overwrite));
    }

    [Fact]
    public void A_run_that_was_begun_continues_from_its_folder()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        File.WriteAllText(_temporary[RunFolder.StateName], "");
        var (next, folder) = ResumeIfBegun.Decide(Arguments("") with { Init = "first.safetensors" })!.Value;
        using var taken = folder;
        Assert.Equal((true, false, null), (next.Resume, next.Overwrite, next.Init));
    }

    [Fact]
    public void The_folder_stays_locked_after_the_decision()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        using var taken = ResumeIfBegun.Decide(Arguments(""))!.Value.Folder;
        // Another coordinator would also see a new run, and empty the folder.
        Assert.Contains($"(process {Environment.ProcessId} on ",
            Assert.Throws<RunFolderException>(() => ResumeIfBegun.Decide(Arguments(""))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_in_use_by_another_coordinator_is_refused()
    {
        using var other = RunFolder.Create(_temporary["run"], "job", overwrite: false);
        Assert.Throws<RunFolderException>(() => ResumeIfBegun.Decide(Arguments("run")));
        File.WriteAllText(other.JobFile, "");
        File.WriteAllText(other.StateFile, "");
        other.Dispose();
        using var taken = ResumeIfBegun.Decide(Arguments("run"))!.Value.Folder;
        Assert.Equal(RunStage.Begun, taken.Stage);
    }

    [Fact]
    public void A_finished_run_of_the_same_job_is_left_as_it_is()
    {
        File.WriteAllText(_temporary["job.yaml"], JobFile.Format(Job.Default));
        File.WriteAllText(_temporary["report.json"], "");
        Assert.Null(ResumeIfBegun.Decide(Arguments("")));
        File.WriteAllText(_temporary["mine.yaml"], JobFile.Format(Job.Default));
        Assert.Null(ResumeIfBegun.Decide(Arguments("") with { JobFile = _temporary["mine.yaml"] }));
        var error = Assert.Throws<JobException>(
            () => ResumeIfBegun.Decide(Arguments("") with { JobFile = _temporary["mine.yaml"], Overrides = ["epochs=77"] }));
        Assert.Contains("was of another job: epochs ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("name another folder with --run", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Contradicting_options_are_refused()
    {
        Assert.Throws<JobException>(() => ResumeIfBegun.Decide(Arguments("") with { Run = null }));
        Assert.Throws<JobException>(() => ResumeIfBegun.Decide(Arguments("") with { Resume = true }));
        Assert.Throws<JobException>(() => ResumeIfBegun.Decide(Arguments("") with { Overwrite = true }));
    }

    private TrainArguments Arguments(string folder) => new()
    {
        Workers = 0,
        MinWorkers = 1,
        Device = "cpu",
        Host = "127.0.0.1",
        ResumeIfBegun = true,
        Run = _temporary[folder],
    };
}
