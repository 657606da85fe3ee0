using Distributed.Coordinator.Commands;
using Distributed.Coordinator.Runs;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests;

public sealed class StartedAgainTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_folder_that_does_not_exist_is_begun()
    {
        var (next, folder) = StartedAgain.Next(Arguments("new") with { Init = "first.safetensors" })!.Value;
        using var taken = folder;
        Assert.Equal((false, "first.safetensors"), (next.Resume, next.Init));
    }

    [Fact]
    public void A_run_in_which_no_worker_took_part_is_begun_anew()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        var (next, folder) = StartedAgain.Next(Arguments(""))!.Value;
        using var taken = folder;
        Assert.Equal((false, true), (next.Resume, next.Overwrite));
    }

    [Fact]
    public void A_run_that_was_begun_continues_from_what_its_folder_holds()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        File.WriteAllText(_temporary[RunFolder.StateName], "");
        var (next, folder) = StartedAgain.Next(Arguments("") with { Init = "first.safetensors" })!.Value;
        using var taken = folder;
        Assert.Equal((true, false, null), (next.Resume, next.Overwrite, next.Init));
    }

    [Fact]
    public void Between_the_judgement_and_what_follows_from_it_the_folder_stays_locked()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        using var taken = StartedAgain.Next(Arguments(""))!.Value.Folder;
        // Another coordinator would take this for a new run as well, and empty it.
        Assert.Contains($"(process {Environment.ProcessId} on ", Assert.Throws<RunFolderException>(() => StartedAgain.Next(Arguments(""))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_another_coordinator_still_writes_to_is_not_judged()
    {
        using var other = RunFolder.Create(_temporary["run"], "job", overwrite: false);
        Assert.Throws<RunFolderException>(() => StartedAgain.Next(Arguments("run")));
        File.WriteAllText(other.JobFile, "");
        File.WriteAllText(other.StateFile, "");
        other.Dispose();
        using var taken = StartedAgain.Next(Arguments("run"))!.Value.Folder;
        Assert.Equal(RunStage.Begun, taken.Stage);
    }

    [Fact]
    public void What_is_finished_is_left_as_it_is_if_it_was_of_the_same_job()
    {
        File.WriteAllText(_temporary["job.yaml"], JobFile.Format(Job.Default));
        File.WriteAllText(_temporary["report.json"], "");
        Assert.Null(StartedAgain.Next(Arguments("")));
        File.WriteAllText(_temporary["mine.yaml"], JobFile.Format(Job.Default));
        Assert.Null(StartedAgain.Next(Arguments("") with { JobFile = _temporary["mine.yaml"] }));
        var error = Assert.Throws<JobException>(() => StartedAgain.Next(Arguments("") with { JobFile = _temporary["mine.yaml"], Overrides = ["epochs=77"] }));
        Assert.Contains("was of another job: epochs ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("name another folder with --run", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_contradicts_it_is_refused()
    {
        Assert.Throws<JobException>(() => StartedAgain.Next(Arguments("") with { Run = null }));
        Assert.Throws<JobException>(() => StartedAgain.Next(Arguments("") with { Resume = true }));
        Assert.Throws<JobException>(() => StartedAgain.Next(Arguments("") with { Overwrite = true }));
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
