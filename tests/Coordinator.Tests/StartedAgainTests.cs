using Distributed.Coordinator.Runs;
using Distributed.Shared.Jobs;

namespace Distributed.Coordinator.Tests;

public sealed class StartedAgainTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_folder_that_is_not_there_is_begun()
    {
        var next = StartedAgain.Next(Arguments("new") with { Init = "first.safetensors" });
        Assert.Equal((false, "first.safetensors"), (next!.Resume, next.Init));
        Assert.False(Directory.Exists(_temporary["new"]));
    }

    [Fact]
    public void What_nobody_had_a_part_in_is_begun_anew()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        Assert.Equal((false, true), StartedAgain.Next(Arguments("")) is { } next ? (next.Resume, next.Overwrite) : default);
    }

    [Fact]
    public void What_was_begun_is_gone_on_with_from_what_it_holds()
    {
        File.WriteAllText(_temporary["job.yaml"], "");
        File.WriteAllText(_temporary[RunFolder.StateName], "");
        var next = StartedAgain.Next(Arguments("") with { Init = "first.safetensors" });
        Assert.Equal((true, false, null), (next!.Resume, next.Overwrite, next.Init));
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
