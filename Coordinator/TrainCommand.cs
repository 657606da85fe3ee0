using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Distributed.Coordinator.Actors;
using Distributed.Coordinator.Links;
using Distributed.Coordinator.LocalWorkers;
using Distributed.Coordinator.Progress;
using Distributed.Coordinator.Runs;
using Distributed.Shared.Cluster;
using Distributed.Shared.Jobs;
using Distributed.Shared.Kernel;
using Distributed.Shared.Metrics;
using Distributed.Shared.Processes;
using Distributed.Shared.Protocol;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prometheus;
using Spectre.Console;

namespace Distributed.Coordinator;

/// <summary>The command line of `train`.</summary>
public sealed record TrainArguments
{
    /// <summary>Path of the job file; none for the embedded job.</summary>
    public string? JobFile { get; init; }

    /// <summary>Worker processes to start here.</summary>
    public required int Workers { get; init; }

    /// <summary>Workers that training needs.</summary>
    public required int MinWorkers { get; init; }

    /// <summary>Run folder.</summary>
    public string? Run { get; init; }

    /// <summary>Whether an old run may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>key=value, each overriding a key of the job.</summary>
    public IReadOnlyList<string> Overrides { get; init; } = [];

    /// <summary>What the started workers compute with.</summary>
    public required string Device { get; init; }

    /// <summary>Folder with data sets.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>Address that workers reach this machine at.</summary>
    public required string Host { get; init; }

    /// <summary>Port of the control plane.</summary>
    public int Port { get; init; }

    /// <summary>Port of the links.</summary>
    public int LinkPort { get; init; }

    /// <summary>Port of the metrics.</summary>
    public int MetricsPort { get; init; }
}

/// <summary>A training run from its start to its end.</summary>
public static class TrainCommand
{
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Runs a job.</summary>
    /// <returns>Exit code: 0 done, 1 failed, 2 bad input.</returns>
    public static async Task<int> RunAsync(TrainArguments arguments)
    {
        Job job;
        RunFolder folder;
        string jobName;
        try
        {
            if (arguments.Workers > 0 && arguments.MinWorkers > arguments.Workers)
                throw new JobException($"--min-workers is {arguments.MinWorkers}, but --workers {arguments.Workers}; allowed: 1 to {arguments.Workers}");
            (job, jobName) = ReadJob(arguments);
            folder = RunFolder.Create(arguments.Run, jobName, arguments.Overwrite);
        }
        catch (Exception error) when (error is JobException or RunFolderException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        using var signals = new Signals(onInterrupt: true);
        using var _ = folder;
        try
        {
            await TrainAsync(arguments, job, jobName, folder, signals.Stopping);
            return 0;
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return CommandLine.Fail(1, $"interrupted; what there is so far is in {folder.Path}");
        }
        catch (Exception error) when (error is RunFailedException or IOException or SocketException or FormatException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static (Job Job, string Name) ReadJob(TrainArguments arguments)
    {
        if (arguments.JobFile is not { } path) return (JobFile.Parse(JobFile.Format(Job.Default), "the embedded job", arguments.Overrides), "digits");
        var file = new FileInfo(path);
        if (!file.Exists) throw new JobException($"{path} does not exist; give the path of a job file, such as jobs/digits.yaml");
        if (file.Length > JobFile.MaxLength) throw new JobException($"{path} has {file.Length} bytes; a job file has at most {JobFile.MaxLength}");
        return (JobFile.Parse(File.ReadAllText(path), path, arguments.Overrides), Path.GetFileNameWithoutExtension(path));
    }

    private static async Task TrainAsync(TrainArguments arguments, Job job, string jobName, RunFolder folder, CancellationToken stopping)
    {
        var text = JobFile.Format(job);
        AtomicFile.Write(folder.JobFile, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
        Directory.CreateDirectory(folder.Logs);
        using var log = new FileLog(Path.Combine(folder.Logs, "coordinator.log"));
        using var view = ProgressView.Create(AnsiConsole.Console);
        var registry = Metrics.NewCustomRegistry();
        var metrics = new TrainingMetrics(registry);
        using var recorder = new RunRecorder(folder, job, view, metrics, TimeProvider.System);
        using var host = NodeHost.Build(arguments.Host, arguments.Port, ClusterNode.CoordinatorRole, null, logging => logging.AddProvider(log), metrics.Control);
        await host.StartAsync(stopping);
        var system = host.Services.GetRequiredService<ActorSystem>();

        // The coordinator is the cluster's first member; on a free port it knows its own address only now.
        Akka.Cluster.Cluster.Get(system).Join(Akka.Cluster.Cluster.Get(system).SelfAddress);

        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger<StarServer>();
        var notices = new Notices();
        using var star = new StarServer(
            new(await AddressOfAsync(arguments.Host, stopping), arguments.LinkPort), JobFile.Fingerprint(job), new(job.IsWireHalf), notices.LinkClosed, metrics.Links, logger);
        var result = new TaskCompletionSource<RunResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var cluster = new ClusterProtocol
        {
            Job = new(job.Epochs, job.Batch, job.MicroBatches, job.IsRelaxed),
            Topology = job.IsMesh ? Topology.Mesh : Topology.Star,
            StartWith = Math.Max(arguments.Workers, arguments.MinWorkers),
            MinWorkers = arguments.MinWorkers,
        };
        var context = new CoordinatorContext(text, arguments.Host, star, recorder, result, notices.LogOf);
        notices.Actor = system.ActorOf(Props.Create(() => new CoordinatorActor(cluster, context)), ClusterNode.CoordinatorActor);

        await using var status = await StatusServer.StartAsync(arguments.Host, arguments.MetricsPort, registry, () => null, stopping);
        var address = NodeHost.AddressOf(system);
        view.Message($"Training {jobName}: {job.Epochs} epochs, batch {job.Batch} in {job.MicroBatches} micro-batches. Results in {folder.Path}, metrics at {status.Address}metrics");
        if (arguments.Workers == 0) view.Message($"Waiting for {arguments.MinWorkers} worker(s): dotnet run --project Worker -c Release -- --coordinator {address}");

        await using var workers = LocalWorkerGroup.Start(arguments.Workers, address, arguments.Device, arguments.DataDirectory, folder.Logs, notices.WorkerEnded);
        notices.Local = workers;
        using var interruption = stopping.Register(() =>
            notices.Actor.Tell(new CoordinatorNotice.Abort($"interrupted; what there is so far is in {folder.Path}")));
        var trained = await result.Task;
        await workers.EndAsync(_stopTimeout);
        view.Dispose();
        Save(folder, jobName, recorder, trained);
        await NodeHost.LeaveAsync(host, _stopTimeout, line => logger.LogInformation("{Line}", line));
    }

    private static void Save(RunFolder folder, string jobName, RunRecorder recorder, RunResult trained)
    {
        var model = TrainedModel.Of(trained.State);
        AtomicFile.Write(folder.ModelFile, model.Write);
        var report = recorder.Report(jobName, model.ParametersSha256, trained.Workers, trained.Generations.Count);
        recorder.Dispose();
        LossPlot.Save(folder.LossPicture, jobName, recorder.History, recorder.Evaluations);
        report.Save(folder.ReportFile);
        Console.WriteLine($"Trained {report.Steps} steps in {report.Seconds:0.0} s ({report.StepsPerSecond:0.0} steps/s) with {report.Workers} worker(s): {report.SamplesApplied} of {report.SamplesExpected} samples applied.");
        Console.WriteLine($"Test accuracy {100 * report.TestAccuracy:0.00} %, test loss {report.TestLoss:0.0000}, parameters {report.ParametersSha256[..16]}");
        Console.WriteLine($"Results: {folder.Path}");
    }

    private static async Task<IPAddress> AddressOfAsync(string host, CancellationToken stopping) =>
        (await Dns.GetHostAddressesAsync(host, stopping)).FirstOrDefault() ?? throw new IOException($"--host {host} has no address");

    /// <summary>What happens on other threads, as messages to the coordinator's actor.</summary>
    private sealed class Notices
    {
        public IActorRef Actor { get; set; } = ActorRefs.Nobody;

        public LocalWorkerGroup? Local { get; set; }

        public string? LogOf(string worker) => Local?.Workers.FirstOrDefault(w => w.Name == worker)?.LogPath;

        public void LinkClosed(string worker, string reason) => Actor.Tell(new CoordinatorNotice.LinkClosed(worker, reason));

        public void WorkerEnded(LocalWorkerExit exit)
        {
            if (!exit.Stopping) Actor.Tell(new CoordinatorNotice.LocalWorkerEnded(exit.Name, exit.LastError ?? $"exit code {exit.ExitCode}"));
        }
    }
}
