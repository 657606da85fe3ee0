using System.Globalization;
using System.Text;
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
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Prometheus;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

/// <summary>Builds a coordinator from its parts and runs one job on it, to the end.</summary>
internal sealed class TrainingHost
{
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(2);
    private readonly TrainArguments _arguments;
    private readonly Job _job;
    private readonly RunFolder _folder;
    private readonly NodeSecurity _security;
    private readonly Func<RunJournal, RunRecorder, RunResult, IRunOutcome> _finish;
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly TrainingMetrics _metrics;
    private readonly IProgressView _view = ProgressView.Create(AnsiConsole.Console);
    private readonly CoordinatorNotices _notices = new();
    private readonly ScrapeTargets _targets = new();
    private readonly Readiness _readiness = new("starting");
    private RunState _state;
    private IActorRef _coordinator = ActorRefs.Nobody;

    public TrainingHost(RunStart start, Func<RunJournal, RunRecorder, RunResult, IRunOutcome> finish)
    {
        (_arguments, _job, _folder, _state, _security) = start;
        _finish = finish;
        _metrics = new(_registry);
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        using var view = _view;
        // Another process owns the files now: exit at once, without the writes that wait for the disk.
        using var replaced = _folder.Lost.Register(() => Environment.Exit(CommandLine.Fail(1,
            $"a process on another machine has taken over the run in {_folder.Path}, "
            + $"since this one was not heard for {RunLock.Silence.TotalSeconds:0} s")));
        Directory.CreateDirectory(_folder.Logs);
        using var log = new FileLog(Path.Combine(_folder.Logs, "coordinator.log"));
        ProcessMetrics.Register(_registry);
        using var host = NodeHost.Build(_state.Host, _state.Port, ClusterNode.CoordinatorRole, null,
            logging => logging.AddProvider(log), _security, _metrics.Control, _state.Bind);
        await NodeHost.StartAsync(host, _state.Port, stopping);
        var system = host.Services.GetRequiredService<ActorSystem>();
        // The coordinator is the cluster's first member; on a free port it knows its own address only now.
        var node = Akka.Cluster.Cluster.Get(system);
        node.Join(node.SelfAddress);
        var address = NodeHost.AddressOf(system);
        // The workers start while this process does; their exits are kept until the coordinator's actor exists.
        await using var workers = _notices.Local = StartWorkers(address);
        await using var servers = await RunServers.StartAsync(
            _state, _registry, () => _readiness.NotReady, _targets, () => _coordinator, _metrics.CommandRefused, stopping);
        await TrainAsync(await ResolveAsync(system, servers, stopping), host, workers, servers, stopping);
    }

    /// <summary>The job with its batch or micro-batches as numbers: where they are auto, the workers probe how large they may be.</summary>
    private async Task<Job> ResolveAsync(ActorSystem system, RunServers servers, CancellationToken stopping)
    {
        if (_job.Auto == AutoSize.None) return _job;
        _readiness.NotReady = "probing: workers find out how large a micro-batch may be";
        _view.Message($"Metrics at {servers.Metrics}metrics");
        var result = new TaskCompletionSource<Job>(TaskCreationOptions.RunContinuationsAsynchronously);
        var (isOpen, workers) = (_arguments.Workers == 0, Math.Max(_arguments.Workers, _arguments.MinWorkers));
        _view.Message($"{(_job.Auto == AutoSize.Batch ? "batch" : "micro-batches")} is {Job.AutoWord}: "
            + $"{workers} worker(s) find out how large a micro-batch may be");
        Invite(system);
        var probe = _notices.Actor = system.ActorOf(
            Props.Create(() => new ProbeActor(_job, workers, isOpen, _view.Message, result)), ClusterNode.CoordinatorActor);
        using var interruption = stopping.Register(() => probe.Tell(new CoordinatorNotice.Abort("interrupted")));
        var resolved = await result.Task;
        // The coordinator's actor takes over its name.
        await probe.GracefulStop(_stopTimeout);
        _readiness.NotReady = "starting";
        return resolved;
    }

    private async Task TrainAsync(Job job, IHost host, LocalWorkerGroup workers, RunServers servers, CancellationToken stopping)
    {
        var system = host.Services.GetRequiredService<ActorSystem>();
        var node = Akka.Cluster.Cluster.Get(system);
        var (shape, text) = (job.ToShape(), JobFile.Format(job));
        var rounds = _state.Facts is { } facts ? shape.RoundsOf(facts) : null;
        WriteText(_folder.JobFile, text);
        using var board = new TensorBoardFolder(_folder.TensorBoard, TimeProvider.System, _view.Message);
        var live = LiveRun.Of(_state.JobName, job);
        var store = new CheckpointStore(_folder.Checkpoints, job.Checkpoint.Keep, text, TimeProvider.System);
        var resumed = _arguments.Resume
            ? ResumePoint.Find(LocalDisk.Instance, _folder.Path, job.Kind.Metric, rounds, store) : ResumePoint.Start;
        using var journal = new RunJournal(LocalDisk.Instance, _folder.Path, job.Kind.Metric);
        using var recorder = new RunRecorder(journal, job, _view, _metrics, TimeProvider.System, rounds, resumed, _state.StartedAt,
            job.IsEvaluation ? [live] : [live, board]);
        var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger<CoordinatorLinks>();
        using var links = await ListenAsync(job, logger, stopping);
        await using var livePage = new LivePage(live, _folder.Path);
        servers.Show(livePage);
        _state = servers.At(_state) with { Port = node.SelfAddress.Port!.Value, LinkPort = links.Port };
        if (store.Newest is { } stored) _metrics.Checkpoints.Found(stored.Files.Sum(file => file.Bytes), stored.SavedAt);
        var initial = File.Exists(_folder.InitialFile) ? InitialParameters.Read(_folder.InitialFile, _state.IsInitialStrict) : null;
        var cluster = _state.ToCluster(shape, job.IsMesh ? Topology.Mesh : Topology.Star, Math.Max(_arguments.Workers, _state.MinWorkers),
            isOpen: _arguments.Workers == 0 || _arguments.MaxRestarts > 0, recorder.Entered, store.NewestState);
        _state = _state with { IsOpen = _arguments.Workers == 0 };
        _state.Save(_folder.StateFile);
        IRunOutcome? outcome = null;
        var result = new TaskCompletionSource<RunResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var context = new CoordinatorContext(
            text, _state.Host, links, recorder, store, _metrics, _targets, result, _arguments.Workers > 0 ? _notices : null,
            _arguments.MaxRestarts, node.Down, now => Save(now, recorder), initial,
            data => Try(() => WriteText(_folder.DataFile, data.ToJson())),
            new DataSender(job.Data, new() { DataDirectory = _arguments.DataDirectory, DeliverFrom = _arguments.DeliverFrom }),
            trained => outcome = _finish(journal, recorder, trained));
        _coordinator = _notices.Actor = system.ActorOf(
            Props.Create(() => new CoordinatorActor(cluster, context)), ClusterNode.CoordinatorActor);
        _readiness.NotReady = null;
        if (_arguments.Resume) AnnounceResume(recorder.Entered, rounds, store.Newest);
        Announce(job, servers);
        Invite(system);
        // The workers end before what they are connected to.
        await using var ending = workers;
        await FinishAsync(result.Task, stopping);
        await store.WhenIdleAsync();
        await workers.EndAsync(_stopTimeout);
        _view.Dispose();
        outcome!.Tell();
        live.End();
        // No worker may join a finished run.
        File.Delete(_folder.StateFile);
        File.Delete(_folder.TokenFile);
        await NodeHost.LeaveAsync(host, _stopTimeout, line => logger.LogInformation("{Line}", line));
    }

    private async Task FinishAsync(Task<RunResult> result, CancellationToken stopping)
    {
        var interrupted = $"interrupted; what there is so far is in {_folder.Path}";
        using var interruption = stopping.Register(() => _notices.Actor.Tell(
            _arguments.ResumeIfBegun ? new CoordinatorNotice.StepAside(interrupted) : new CoordinatorNotice.Abort(interrupted)));
        try
        {
            await result;
        }
        catch (RunFailedException)
        {
            // A message in flight is lost when this process exits, and a worker that missed it would wait for another coordinator.
            await _notices.HeardAsync(_stopTimeout);
            throw;
        }
    }

    private async Task<CoordinatorLinks> ListenAsync(Job job, ILogger logger, CancellationToken stopping) => new(
        new(await ListenAddress.OfAsync(_state.Bind ?? _state.Host, stopping), _state.LinkPort), JobFile.Fingerprint(job),
        new(job.IsWireHalf), _notices.LinkClosed, _metrics.Links, logger, _state.Token,
        new() { Certificates = _security.Certificates, Token = _security.Token });

    private LocalWorkerGroup StartWorkers(string address) => LocalWorkerGroup.Start(
        _arguments.Workers, address, _arguments.Device, _arguments.DataDirectory, _folder.Logs, _notices.WorkerEnded, _arguments.Plugins,
        _arguments.MemoryFraction / Math.Max(1, _arguments.Workers), ["--host", _state.Host, .. _security.Arguments.ToArguments()]);

    private void AnnounceResume(long recorded, Rounds? rounds, Manifest? newest) => _view.Message(
        $"Continuing {_state.JobName}: {recorded} of {rounds?.Count.ToString(CultureInfo.InvariantCulture) ?? "?"} rounds were recorded, "
        + (newest is null ? "there is no checkpoint" : $"the newest checkpoint is of step {newest.Step}"));

    private void Announce(Job job, RunServers servers) => _view.Message(
        (job.IsEvaluation ? $"Evaluating {_state.JobName}. "
            : $"Training {_state.JobName}: {job.Epochs} epochs, batch {job.BatchText} in {job.MicroBatches} micro-batches. ")
        + $"Results in {_folder.Path}, live page at {servers.Page}, metrics at {servers.Metrics}metrics");

    /// <summary>Shows how to start workers elsewhere. They need a copy of the token, or certificates of their own.</summary>
    private void Invite(ActorSystem system)
    {
        if (_arguments.Workers > 0) return;
        var credentials = _security.Certificates is null ? $"--token-file {_security.Arguments.TokenFile}" : "--certs DIR";
        _view.Message($"Waiting for {_arguments.MinWorkers} worker(s): "
            + $"dotnet run --project Worker -c Release -- --coordinator {NodeHost.AddressOf(system)} {credentials}");
    }

    private string? Save(ClusterProtocol now, RunRecorder recorder) => Try(() =>
        (_state.With(now) with { StartedAt = now.Generation > 0 ? recorder.StartedAt : null }).Save(_folder.StateFile));

    private static void WriteText(string path, string text) => AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <returns>What went wrong; null if nothing did.</returns>
    private static string? Try(Action write)
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
