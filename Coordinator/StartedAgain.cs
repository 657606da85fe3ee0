using Distributed.Coordinator.Runs;
using Distributed.Shared.Jobs;
using Distributed.Shared.Runs;

namespace Distributed.Coordinator;

/// <summary>What a coordinator has to do that something starts again and again, with the same command line each time.</summary>
public static class StartedAgain
{
    /// <summary>Looks at what the run's folder holds.</summary>
    /// <returns>How to begin the run, or to go on with it; null where it is finished.</returns>
    /// <exception cref="JobException">The command line contradicts itself, or the finished run was of another job.</exception>
    public static TrainArguments? Next(TrainArguments arguments)
    {
        if (arguments.Run is not { } path) throw new JobException("--resume-if-begun needs --run DIR: the folder that tells whether the run was begun");
        if (arguments.Resume || arguments.Overwrite) throw new JobException("--resume-if-begun finds out what is to be done: leave --resume and --overwrite out");
        switch (RunFolder.StageOf(path))
        {
            case RunStage.New:
                // Whoever wrote something there got no worker to take part.
                return arguments with { Overwrite = true };
            case RunStage.Begun:
                // They are in the folder since it began.
                return arguments with { Resume = true, Init = null };
            default:
                RefuseAnotherJob(path, arguments);
                return null;
        }
    }

    private static void RefuseAnotherJob(string path, TrainArguments arguments)
    {
        if (arguments.JobFile is null) return;
        var was = JobFile.Load(Path.Combine(path, RunFiles.Job));
        var now = AutoSizes.Like(TorchScriptFile.Resolve(TrainCommand.ReadJob(arguments).Job), was);
        if (JobDifference.Between(was, now) is { Count: > 0 } different)
            throw new JobException($"the finished run in {path} was of another job: {string.Join("; ", different)}. For this job, name another folder with --run");
    }
}
