using Distributed.Coordinator.Runs;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>What a coordinator has to do that something starts again and again, with the same command line each time.</summary>
internal static class StartedAgain
{
    /// <summary>
    /// Takes the run's folder and looks at what it holds, in this order: another coordinator may change what was seen before, and the
    /// folder of a run that has not begun is emptied. A finished run is not changed any more, so it is looked at without its lock: it may
    /// lie where nothing can be written.
    /// </summary>
    /// <returns>How to begin or to continue the run, and the folder, which is the caller's now; null where the run is finished.</returns>
    /// <exception cref="JobException">The command line contradicts itself, or the finished run was of another job.</exception>
    /// <exception cref="RunFolderException">Another process uses the folder, or it cannot be written to.</exception>
    public static (TrainArguments Arguments, RunFolder Folder)? Next(TrainArguments arguments)
    {
        if (arguments.Run is not { } path) throw new JobException("--resume-if-begun needs --run DIR: the folder that tells whether the run was begun");
        if (arguments.Resume || arguments.Overwrite) throw new JobException("--resume-if-begun finds out what is to be done: leave --resume and --overwrite out");
        var folder = RunFolder.StageOf(path) == RunStage.Finished ? null : RunFolder.Take(path);
        switch (folder?.Stage)
        {
            case RunStage.New:
                // No worker took part in what is written there.
                return (arguments with { Overwrite = true }, folder);
            case RunStage.Begun:
                // The initial parameters are in the folder since the run began.
                return (arguments with { Resume = true, Init = null }, folder);
            default:
                folder?.Dispose();
                RefuseAnotherJob(path, arguments);
                return null;
        }
    }

    private static void RefuseAnotherJob(string path, TrainArguments arguments)
    {
        if (arguments.JobFile is null) return;
        var was = JobFile.Load(Path.Combine(path, RunFiles.Job));
        var now = AutoSizes.Like(TorchScriptFile.Resolve(RunStart.ReadJob(arguments).Job), was);
        if (JobDifference.Between(was, now) is { Count: > 0 } different)
            throw new JobException($"the finished run in {path} was of another job: {string.Join("; ", different)}. For this job, name another folder with --run");
    }
}
