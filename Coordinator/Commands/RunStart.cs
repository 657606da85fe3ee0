using System.Security.Cryptography;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Transport.Pipes;

namespace Distributed.Coordinator.Commands;

/// <summary>What a run begins or continues with, found from the command line and the run folder.</summary>
internal sealed record RunStart(TrainArguments Arguments, Job Job, RunFolder Folder, RunState State, NodeSecurity Security) : IDisposable
{
    /// <returns>Null for a finished run with --resume-if-begun.</returns>
    public static RunStart? Of(TrainArguments arguments)
    {
        RunFolder? taken = null;
        if (arguments.ResumeIfBegun)
        {
            if (ResumeIfBegun.Decide(arguments) is not { } next) return null;
            (arguments, taken) = next;
        }
        try
        {
            return arguments.Resume ? Resume(arguments, taken) : Begin(arguments, taken);
        }
        catch
        {
            taken?.Dispose();
            throw;
        }
    }

    /// <param name="taken">The run folder, if this process has locked it already.</param>
    private static RunStart Begin(TrainArguments arguments, RunFolder? taken)
    {
        var (job, name) = ReadJob(arguments);
        job = TorchScriptFile.Resolve(job);
        // Read first: the file may lie in the folder that is replaced.
        var initial = arguments.Init is { } init ? InitialParameters.Read(init, arguments.IsInitStrict) : null;
        var security = NodeSecurity.Open(arguments.Host, arguments.Security);
        var folder = taken?.ForNewRun(arguments.Overwrite) ?? RunFolder.Create(arguments.Run, name, arguments.Overwrite);
        return Begin(arguments, job, name, folder, initial, security);
    }

    /// <summary>Also for an evaluation, whose initial parameters are the model's.</summary>
    public static RunStart Begin(
        TrainArguments arguments, Job job, string name, RunFolder folder, InitialParameters? initial, NodeSecurity? security)
    {
        try
        {
            security ??= RunSecurity.Begin(folder);
            if (initial is not null) AtomicFile.Write(folder.InitialFile, stream => stream.Write(initial.File.Span));
            return new(arguments, job, folder, Begun(arguments, name, security), security);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Continues a run at the addresses it had: its workers look for the coordinator there.</summary>
    private static RunStart Resume(TrainArguments arguments, RunFolder? taken)
    {
        if (arguments.Run is not { } path) throw new JobException("--resume needs --run DIR: the folder of the run to continue");
        if (arguments.Init is not null) throw new JobException("--resume continues with the parameters of the run: remove --init");
        if (arguments.Overwrite) throw new JobException("--resume continues the run in the folder: remove --overwrite");
        var folder = taken?.ForItsRun() ?? RunFolder.Resume(path);
        try
        {
            var begun = RunState.Load(folder.StateFile);
            var was = JobFile.Load(folder.JobFile);
            var (now, _) = ReadJob(arguments.JobFile is null ? arguments with { JobFile = folder.JobFile } : arguments);
            now = AutoSizes.Like(TorchScriptFile.Resolve(now), was);
            if (JobDifference.Between(was, now) is { Count: > 0 } different)
                throw new JobException($"the run in {folder.Path} has another job: {string.Join("; ", different)}. "
                    + "Only topology and checkpoint may change; for another job, begin another run");
            begun = arguments.Page.ApplyTo(begun) with { Bind = arguments.Bind ?? begun.Bind };
            var security = RunSecurity.Resume(folder, begun, arguments.Security);
            begun = begun with { TokenFile = security.Arguments.TokenFile };
            // With another topology the remaining workers hold links of the former kind: they join as new workers.
            if (was.Topology != now.Topology) begun = begun with { Token = NewToken(), Workers = [] };
            return new(arguments, now, folder, begun, security);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <exception cref="JobException">The job is invalid, or trains nothing.</exception>
    public static (Job Job, string Name) ReadJob(TrainArguments arguments)
    {
        var path = arguments.JobFile;
        if (path is not null && !File.Exists(path))
            throw new JobException($"{path} does not exist; give the path of a job file, such as jobs/digits.yaml");
        var job = path is null ? JobFile.Parse(JobFile.Format(Job.Default), "the embedded job", arguments.Overrides)
            : JobFile.Load(path, arguments.Overrides);
        return job.IsEvaluation
            ? throw new JobException("epochs is 0; to train, allowed: 1 or more. To evaluate a model: evaluate --run DIR")
            : (job, path is null ? "digits" : Path.GetFileNameWithoutExtension(path));
    }

    public static string JobFileOf(string folder)
    {
        var path = Path.Combine(folder, RunFiles.Job);
        return File.Exists(path)
            ? path : throw new RunFolderException($"'{path}' does not exist: '{folder}' is not a run folder. Give one with --run.");
    }

    public static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));

    public void Dispose()
    {
        Security.Dispose();
        Folder.Dispose();
    }

    private static RunState Begun(TrainArguments arguments, string jobName, NodeSecurity security) => new()
    {
        Version = MessageCodec.Version,
        JobName = jobName,
        Host = arguments.Host,
        Bind = arguments.Bind,
        Port = arguments.Port,
        LinkPort = arguments.LinkPort,
        MetricsPort = arguments.MetricsPort,
        MetricsBind = arguments.Page.MetricsBind,
        PagePort = arguments.Page.Port,
        PageBind = arguments.Page.Bind,
        AllowedHosts = arguments.Page.AllowedHosts,
        MinWorkers = arguments.MinWorkers,
        IsOpen = arguments.Workers == 0,
        IsInitialStrict = arguments.IsInitStrict,
        Token = NewToken(),
        TokenFile = security.Arguments.TokenFile is { } file ? Path.GetFullPath(file) : null,
    };

    private static byte[] NewToken() => RandomNumberGenerator.GetBytes(LinkHello.TokenLength);
}

/// <summary>Decides what a coordinator does that a supervisor starts repeatedly with the same command line.</summary>
internal static class ResumeIfBegun
{
    /// <summary>
    /// Locks the run folder before looking into it: another coordinator could change it in between, and the folder of a run that has not
    /// begun is emptied. A finished run never changes, so it is read without the lock: its folder may be read-only.
    /// </summary>
    /// <returns>How to begin or continue the run, and the folder, which the caller disposes; null where the run is finished.</returns>
    /// <exception cref="JobException">The command line contradicts itself, or the finished run was of another job.</exception>
    /// <exception cref="RunFolderException">Another process uses the folder, or it cannot be written to.</exception>
    public static (TrainArguments Arguments, RunFolder Folder)? Decide(TrainArguments arguments)
    {
        if (arguments.Run is not { } path)
            throw new JobException("--resume-if-begun needs --run DIR: the folder that tells whether the run was begun");
        if (arguments.Resume || arguments.Overwrite)
            throw new JobException("--resume-if-begun decides whether to resume: remove --resume and --overwrite");
        var folder = RunFolder.StageOf(path) == RunStage.Finished ? null : RunFolder.Take(path);
        switch (folder?.Stage)
        {
            case RunStage.New:
                // Nothing is lost: no worker took part in what the folder holds.
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
            throw new JobException($"the finished run in {path} was of another job: {string.Join("; ", different)}. "
                + "For this job, name another folder with --run");
    }
}
