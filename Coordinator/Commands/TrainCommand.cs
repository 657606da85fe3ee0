using System.Globalization;
using System.Net.Sockets;
using Akka.Actor;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Transport.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prometheus;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

internal sealed record TrainArguments
{
    /// <summary>Path of the job file; none for the embedded job.</summary>
    public string? JobFile { get; init; }

    public required int Workers { get; init; }

    public required int MinWorkers { get; init; }

    /// <summary>How often the started workers may be started again.</summary>
    public int MaxRestarts { get; init; } = RestartPolicy.Default;

    public string? Run { get; init; }

    /// <summary>Whether the run in the folder is gone on with.</summary>
    public bool Resume { get; init; }

    /// <summary>Whether what the folder holds decides what is to be done, and another coordinator follows one that is told to stop.</summary>
    public bool ResumeIfBegun { get; init; }

    /// <summary>Safetensors file with the parameters to begin with.</summary>
    public string? Init { get; init; }

    /// <summary>Whether it must hold exactly the tensors of the model.</summary>
    public bool IsInitStrict { get; init; } = true;

    /// <summary>Whether an old run may be replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>key=value, each overriding a key of the job.</summary>
    public IReadOnlyList<string> Overrides { get; init; } = [];

    public required string Device { get; init; }

    /// <summary>Folder with data sets, for the started workers and to send to those that have none.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>Folders that links in the data may lead to where it is sent.</summary>
    public IReadOnlyList<string> DeliverFrom { get; init; } = [];

    /// <summary>Libraries of the user's, for the started workers.</summary>
    public IReadOnlyList<string> Plugins { get; init; } = [];

    /// <summary>What part of the free memory the started workers may take together where the batch is as large as fits; above 0, to 1.</summary>
    public double MemoryFraction { get; init; } = Hosting.Processes.MemoryFraction.Default;

    public required string Host { get; init; }

    /// <summary>Address that it listens at; null for that of <see cref="Host"/>.</summary>
    public string? Bind { get; init; }

    public int Port { get; init; }

    public int LinkPort { get; init; }

    public int MetricsPort { get; init; }

    /// <summary>Where else than by default metrics and page are served.</summary>
    public PageArguments Page { get; init; } = new();

    /// <summary>What the command line says of protection.</summary>
    public SecurityArguments Security { get; init; } = new();

    /// <summary>Whether a finished run is shown until somebody ends that.</summary>
    public bool Stay { get; init; }
}

/// <summary>A training run from its start to its end.</summary>
internal static class TrainCommand
{
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(2);

    /// <returns>Exit code: 0 done, 1 failed, 2 bad input.</returns>
    public static async Task<int> RunAsync(TrainArguments arguments)
    {
        InformingWriter.Install();
        Job job;
        RunFolder folder;
        RunState begun;
        NodeSecurity security;
        RunFolder? taken = null;
        try
        {
            if (arguments.Workers > 0 && arguments.MinWorkers > arguments.Workers)
                throw new JobException($"--min-workers is {arguments.MinWorkers}, but --workers {arguments.Workers}; allowed: 1 to {arguments.Workers}");
            if (arguments.ResumeIfBegun)
            {
                if (StartedAgain.Next(arguments) is not { } next) return await StayAsync(arguments, arguments.Run!);
                (arguments, taken) = next;
            }
            (job, folder, begun, security) = arguments.Resume ? RunStart.Resume(arguments, taken) : RunStart.Begin(arguments, taken);
        }
        catch (Exception error) when (error is JobException or RunFolderException or CertificateException or JoinTokenException)
        {
            taken?.Dispose();
            return CommandLine.Fail(2, error.Message);
        }
        using var signals = new Signals(onInterrupt: true);
        using var _ = folder;
        using var protection = security;
        try
        {
            await RunAsync(arguments, security, job, begun, folder, (journal, recorder, trained) => new TrainingOutcome(folder, begun.JobName, journal, recorder, trained), signals.Stopping);
            if (job.Kind.IsPictured) await PictureCommand.DrawAsync(folder.Path, arguments.DataDirectory, signals.Stopping);
            if (job.Model is TorchScriptSpec && await ExportCommand.RunAsync(folder.Path, signals.Stopping) is not 0 and var failed) return failed;
            return signals.Stopping.IsCancellationRequested ? 0 : await StayAsync(arguments, folder.Path);
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return CommandLine.Fail(1, $"interrupted; what there is so far is in {folder.Path}");
        }
        catch (Exception error) when (IsFailure(error))
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static async Task<int> StayAsync(TrainArguments arguments, string path)
    {
        if (arguments.Stay) return await ShowCommand.StayAsync(path, arguments);
        if (arguments.ResumeIfBegun) Console.WriteLine($"The run in {path} is finished.");
        return 0;
    }

    /// <summary>Whether it is told in a line, since it says in a user's words what is wrong.</summary>
    internal static bool IsFailure(Exception error) =>
        error is RunFailedException or RunFolderException or IOException or SocketException or FormatException or UnauthorizedAccessException;

    /// <summary>Writes nothing more, not even what waits for the disk: the files are another process's.</summary>
    private static void EndAtOnce(string why) => Environment.Exit(CommandLine.Fail(1, why));

    /// <summary>Runs a job on a cluster to its end.</summary>
    internal static async Task RunAsync(
        TrainArguments arguments, NodeSecurity security, Job job, RunState begun, RunFolder folder, Func<RunJournal, RunRecorder, RunResult, IRunOutcome> finish, CancellationToken stopping)
    {
        var jobName = begun.JobName;
        using var replaced = folder.Lost.Register(() => EndAtOnce(
            $"a process on another machine has taken over the run in {folder.Path}, since this one was not heard for {RunLock.Silence.TotalSeconds:0} s"));
        Directory.CreateDirectory(folder.Logs);
        using var log = new FileLog(Path.Combine(folder.Logs, "coordinator.log"));
        using var view = ProgressView.Create(AnsiConsole.Console);
        var registry = Metrics.NewCustomRegistry();
        ProcessMetrics.Register(registry);
        var metrics = new TrainingMetrics(registry);
        using var host = NodeHost.Build(begun.Host, begun.Port, ClusterNode.CoordinatorRole, null, logging => logging.AddProvider(log), security, metrics.Control, begun.Bind);
        await NodeHost.StartAsync(host, begun.Port, stopping);
        var system = host.Services.GetRequiredService<ActorSystem>();

        // The coordinator is the cluster's first member; on a free port it knows its own address only now.
        Akka.Cluster.Cluster.Get(system).Join(Akka.Cluster.Cluster.Get(system).SelfAddress);

        var notices = new CoordinatorNotices();
        var address = NodeHost.AddressOf(system);
        // They start while this process does; what becomes of them before the run has its actor, that hears first.
        await using var workers = notices.Local = StartWorkers();
        IActorRef training = ActorRefs.Nobody;
        var targets = new ScrapeTargets();
        var readiness = new Readiness("starting");
        await using var servers = await RunServers.StartAsync(begun, registry, () => readiness.NotReady, targets, () => training, metrics.CommandRefused, stopping);
        if (job.Auto != AutoSize.None)
        {
            readiness.NotReady = "probing: workers find out how large a micro-batch may be";
            view.Message($"Metrics at {servers.Metrics}metrics");
            job = await ProbeAsync(arguments, job, system, notices, view, Awaited(arguments, address, security), stopping);
            readiness.NotReady = "starting";
        }
        var shape = job.ToShape();
        var rounds = begun.Facts is { } facts ? shape.RoundsOf(facts) : null;
        var text = JobFile.Format(job);
        AtomicFile.Write(folder.JobFile, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
        using var board = new TensorBoardFolder(folder.TensorBoard, TimeProvider.System, view.Message);
        var live = LiveRun.Of(jobName, job);
        var store = new CheckpointStore(folder.Checkpoints, job.Checkpoint.Keep, text, TimeProvider.System);
        var resumed = arguments.Resume ? ResumedRun.Find(LocalDisk.Instance, folder.Path, job.Kind.Metric, rounds, store) : ResumePoint.Start;
        using var journal = new RunJournal(LocalDisk.Instance, folder.Path, job.Kind.Metric);
        using var recorder = new RunRecorder(journal, job, view, metrics, TimeProvider.System, rounds, resumed, begun.StartedAt, job.IsEvaluation ? [live] : [live, board]);
        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger<CoordinatorLinks>();
        using var star = new CoordinatorLinks(
            new(await ListenAddress.OfAsync(begun.Bind ?? begun.Host, stopping), begun.LinkPort), JobFile.Fingerprint(job), new(job.IsWireHalf), notices.LinkClosed, metrics.Links, logger, begun.Token,
            new() { Certificates = security.Certificates, Token = security.Token });
        // Gone before the server is.
        await using var livePage = new LivePage(live, folder.Path);
        servers.Show(livePage);
        begun = servers.At(begun) with { Port = Akka.Cluster.Cluster.Get(system).SelfAddress.Port!.Value, LinkPort = star.Port };
        if (store.Newest is { } stored) metrics.Checkpoints.Found(stored.Files.Sum(file => file.Bytes), stored.SavedAt);
        using var desk = new CheckpointDesk(store, journal);
        var initial = File.Exists(folder.InitialFile) ? InitialParameters.Read(folder.InitialFile, begun.IsInitialStrict) : null;
        IRunOutcome? outcome = null;
        var result = new TaskCompletionSource<RunResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var cluster = begun.ToCluster(shape, job.IsMesh ? Topology.Mesh : Topology.Star, Math.Max(arguments.Workers, begun.MinWorkers),
            isOpen: arguments.Workers == 0 || arguments.MaxRestarts > 0, recorder.Entered, desk.Newest);
        begun = begun with { IsOpen = arguments.Workers == 0 };
        begun.Save(folder.StateFile);
        var context = new CoordinatorContext(text, begun.Host, star, recorder, desk, metrics, targets, result, arguments.Workers > 0 ? notices : null, arguments.MaxRestarts, Akka.Cluster.Cluster.Get(system).Down, Save, initial, Describe,
            new DataDesk(job.Data, new() { DataDirectory = arguments.DataDirectory, DeliverFrom = arguments.DeliverFrom }), trained => outcome = finish(journal, recorder, trained));
        training = notices.Actor = system.ActorOf(Props.Create(() => new CoordinatorActor(cluster, context)), ClusterNode.CoordinatorActor);
        readiness.NotReady = null;

        if (arguments.Resume)
            view.Message($"Going on with {jobName}: {recorder.Entered} of {rounds?.Count.ToString(CultureInfo.InvariantCulture) ?? "?"} rounds were recorded, {(store.Newest is { } newest ? $"the newest checkpoint is of step {newest.Step}" : "there is no checkpoint")}");
        var places = $"Results in {folder.Path}, live page at {servers.Page}, metrics at {servers.Metrics}metrics";
        view.Message(job.IsEvaluation ? $"Evaluating {jobName}. {places}" : $"Training {jobName}: {job.Epochs} epochs, batch {job.BatchText} in {job.MicroBatches} micro-batches. {places}");
        if (arguments.Workers == 0) view.Message(Awaited(arguments, address, security));

        // They end before what they are connected to does.
        await using var ending = workers;
        var interrupted = $"interrupted; what there is so far is in {folder.Path}";
        using var interruption = stopping.Register(() => notices.Actor.Tell(arguments.ResumeIfBegun ? new CoordinatorNotice.StepAside(interrupted) : new CoordinatorNotice.Abort(interrupted)));
        try
        {
            await result.Task;
        }
        catch (RunFailedException)
        {
            // What is on its way when this process ends is lost, and a worker that has not heard it would wait for another coordinator.
            await notices.HeardAsync(_stopTimeout);
            throw;
        }
        await desk.WhenIdleAsync();
        await workers.EndAsync(_stopTimeout);
        view.Dispose();
        outcome!.Tell();
        live.End();
        // A finished run takes in nobody any more.
        File.Delete(folder.StateFile);
        File.Delete(folder.TokenFile);
        await NodeHost.LeaveAsync(host, _stopTimeout, line => logger.LogInformation("{Line}", line));

        LocalWorkerGroup StartWorkers() => LocalWorkerGroup.Start(
            arguments.Workers, address, arguments.Device, arguments.DataDirectory, folder.Logs, notices.WorkerEnded, arguments.Plugins, arguments.MemoryFraction / Math.Max(1, arguments.Workers),
            ["--host", begun.Host, .. security.Arguments.ToArguments()]);

        string? Save(ClusterProtocol now) => Written(() => (begun.With(now) with { StartedAt = now.Generation > 0 ? recorder.StartedAt : null }).Save(folder.StateFile));

        string? Describe(DataDescription data) => Written(() => AtomicFile.Write(folder.DataFile, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(data.ToJson()))));

        static string? Written(Action write)
        {
            try
            {
                write();
                return null;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return error.Message;
            }
        }
    }

    /// <summary>The job with a batch that fits the workers that the run begins with.</summary>
    private static async Task<Job> ProbeAsync(TrainArguments arguments, Job job, ActorSystem system, CoordinatorNotices notices, IProgressView view, string awaited, CancellationToken stopping)
    {
        var result = new TaskCompletionSource<Job>(TaskCreationOptions.RunContinuationsAsynchronously);
        var workers = Math.Max(arguments.Workers, arguments.MinWorkers);
        view.Message($"{(job.Auto == AutoSize.Batch ? "batch" : "micro-batches")} is {Job.AutoWord}: {workers} worker(s) find out how large a micro-batch may be");
        if (arguments.Workers == 0) view.Message(awaited);
        var probe = notices.Actor = system.ActorOf(Props.Create(() => new ProbeActor(job, workers, arguments.Workers == 0, view.Message, result)), ClusterNode.CoordinatorActor);
        using var interruption = stopping.Register(() => probe.Tell(new CoordinatorNotice.Abort("interrupted")));
        var resolved = await result.Task;
        // The run's own actor takes its name.
        await probe.GracefulStop(_stopTimeout);
        return resolved;
    }

    /// <summary>What workers elsewhere have to be told. They need a copy of the token, or certificates of their own.</summary>
    private static string Awaited(TrainArguments arguments, string address, NodeSecurity security) =>
        $"Waiting for {arguments.MinWorkers} worker(s): dotnet run --project Worker -c Release -- --coordinator {address} {(security.Certificates is null ? $"--token-file {security.Arguments.TokenFile}" : "--certs DIR")}";
}
