using System.Security.Cryptography;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>What a run begins or continues with: of a command line and a folder, the job, the state and the protection.</summary>
internal static class RunStart
{
    /// <param name="taken">Its folder, where this process has that already.</param>
    /// <exception cref="JobException">The job is none.</exception>
    /// <exception cref="RunFolderException">The folder cannot be used.</exception>
    /// <exception cref="CertificateException">The certificates are no good.</exception>
    /// <exception cref="JoinTokenException">The token is no good.</exception>
    public static (Job Job, RunFolder Folder, RunState State, NodeSecurity Security) Begin(
        TrainArguments arguments, RunFolder? taken)
    {
        var (job, name) = ReadJob(arguments);
        job = TorchScriptFile.Resolve(job);
        // It may lie in the very folder that is replaced.
        var initial = arguments.Init is { } init ? InitialParameters.Read(init, arguments.IsInitStrict) : null;
        var security = NodeSecurity.Open(arguments.Host, arguments.Security);
        var folder = taken?.ForNewRun(arguments.Overwrite) ?? RunFolder.Create(arguments.Run, name, arguments.Overwrite);
        try
        {
            security ??= RunSecurity.Begin(folder);
            if (initial is not null) AtomicFile.Write(folder.InitialFile, stream => stream.Write(initial.File.Span));
            return (job, folder, Begun(arguments, name, security), security);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The state of a run in which no worker has taken part yet.</summary>
    public static RunState Begun(TrainArguments arguments, string jobName, NodeSecurity security) => new()
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

    /// <summary>Continues a run. Its workers look for the coordinator where it was, so that a new one listens there too.</summary>
    /// <param name="taken">Its folder, where this process has that already.</param>
    /// <exception cref="JobException">The command line contradicts the run.</exception>
    /// <exception cref="RunFolderException">The folder cannot be used.</exception>
    /// <exception cref="CertificateException">The certificates are no good.</exception>
    /// <exception cref="JoinTokenException">The token is no good.</exception>
    public static (Job Job, RunFolder Folder, RunState State, NodeSecurity Security) Resume(
        TrainArguments arguments, RunFolder? taken)
    {
        if (arguments.Run is not { } path) throw new JobException("--resume needs --run DIR: the folder of the run that is to go on");
        if (arguments.Init is not null) throw new JobException("--resume goes on with the parameters of the run: leave --init out");
        if (arguments.Overwrite) throw new JobException("--resume goes on with the run in the folder: leave --overwrite out");
        var folder = taken?.ForItsRun() ?? RunFolder.Resume(path);
        try
        {
            var begun = RunState.Load(folder.StateFile);
            var was = JobFile.Load(folder.JobFile);
            var (now, _) = ReadJob(arguments.JobFile is null ? arguments with { JobFile = folder.JobFile } : arguments);
            now = AutoSizes.Like(TorchScriptFile.Resolve(now), was);
            if (JobDifference.Between(was, now) is { Count: > 0 } different)
            {
                throw new JobException($"the run in {folder.Path} has another job: {string.Join("; ", different)}. "
                    + "Only topology and checkpoint may change; for another job, begin another run");
            }
            begun = arguments.Page.Over(begun) with { Bind = arguments.Bind ?? begun.Bind };
            var security = RunSecurity.Resume(folder, begun, arguments.Security);
            begun = begun with { TokenFile = security.Arguments.TokenFile };
            // Workers that are left have links of the former kind: they come as newcomers.
            return (now, folder, was.Topology == now.Topology ? begun : begun with { Token = NewToken(), Workers = [] }, security);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The job that the command line names, and its name.</summary>
    /// <exception cref="JobException">It is none, or nothing is trained in it.</exception>
    public static (Job Job, string Name) ReadJob(TrainArguments arguments)
    {
        var (job, name) = ParseJob(arguments);
        return job.IsEvaluation
            ? throw new JobException("epochs is 0; to train, allowed: 1 or more. To evaluate a model: evaluate --run DIR")
            : (job, name);
    }

    private static (Job Job, string Name) ParseJob(TrainArguments arguments)
    {
        if (arguments.JobFile is not { } path)
            return (JobFile.Parse(JobFile.Format(Job.Default), "the embedded job", arguments.Overrides), "digits");
        if (!File.Exists(path)) throw new JobException($"{path} does not exist; give the path of a job file, such as jobs/digits.yaml");
        return (JobFile.Load(path, arguments.Overrides), Path.GetFileNameWithoutExtension(path));
    }
}
