using System.CommandLine;
using System.Globalization;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>Says what the model of a run is worth on the test set, computed on a cluster by the same kernel as in training.</summary>
internal static class EvaluateCommand
{
    private const string Newest = "newest", Best = "best";

    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var run = new Option<string>("--run") { Description = "Folder of the run.", Required = true };
        var checkpoint = new Option<string?>("--checkpoint") { Description = "Which checkpoint of the run to evaluate: newest, best, or a step. Default: the trained model." };
        var workers = new Option<int>("--workers") { Description = "Worker processes to start on this machine.", DefaultValueFactory = _ => 1 };
        var device = new Option<string>("--device") { Description = "What they compute with: auto, cpu, cuda:N.", DefaultValueFactory = _ => "auto" };
        var dataDir = new Option<string?>("--data-dir") { Description = "Folder with data sets." };
        var plugin = PluginOption.Create();
        var security = new SecurityOptions();
        workers.Within(1, 1024);
        var command = new Command("evaluate",
            "Evaluates a model on the test set: loss and metric; where it tells classes apart, precision and recall of each, and what is taken for what, as tables, "
            + "evaluation.json and confusion.png in the folder evaluation of the run. Example: evaluate --run runs/mine --workers 4")
        {
            run, checkpoint, workers, device, dataDir, plugin, security.Certificates,
        };
        command.SetAction((parsed, _) => RunAsync(parsed.GetRequiredValue(run), parsed.GetValue(checkpoint), new()
        {
            Workers = parsed.GetValue(workers),
            MinWorkers = 1,
            Device = parsed.GetRequiredValue(device),
            DataDirectory = parsed.GetValue(dataDir),
            Plugins = PluginOption.Paths(parsed.GetValue(plugin)),
            Host = "127.0.0.1",
            Security = security.Of(parsed),
        }));
        return command;
    }

    private static async Task<int> RunAsync(string run, string? checkpoint, TrainArguments arguments)
    {
        Job job;
        RunFolder folder;
        string model;
        NodeSecurity security;
        try
        {
            var jobFile = Path.Combine(run, RunFiles.Job);
            if (!File.Exists(jobFile)) throw new RunFolderException($"'{jobFile}' does not exist: '{run}' is no folder of a run. Give one with --run.");
            var (trained, _) = RunStart.ReadJob(arguments with { JobFile = jobFile });
            job = TorchScriptFile.OfRun(trained, run) with { Epochs = 0, Checkpoint = new() { EverySteps = 0 } };
            model = checkpoint is null ? Path.Combine(run, RunFiles.Model) : Path.Combine(CheckpointOf(run, checkpoint), CheckpointFolder.ModelName);
            if (!File.Exists(model)) throw new RunFolderException($"'{model}' does not exist: the run is not finished. Evaluate one of its checkpoints: --checkpoint newest");
            var initial = InitialParameters.Read(model, isStrict: true);
            var given = NodeSecurity.Open(arguments.Host, arguments.Security);
            folder = RunFolder.Create(Path.Combine(run, "evaluation"), "evaluation", overwrite: true);
            security = given ?? RunSecurity.Begin(folder);
            AtomicFile.Write(folder.InitialFile, stream => stream.Write(initial.File.Span));
        }
        catch (Exception error) when (error is JobException or RunFolderException or CheckpointException or CertificateException or JoinTokenException or IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        using var signals = new Signals(onInterrupt: true);
        using var _ = folder;
        using var protection = security;
        try
        {
            var name = Path.GetFileName(Path.GetFullPath(run).TrimEnd(Path.DirectorySeparatorChar));
            await TrainCommand.RunAsync(arguments, security, job, RunStart.Begun(arguments, name, security), folder,
                (_, recorder, result) => new EvaluationOutcome(folder, name, job, model, recorder, result.Workers), signals.Stopping).ConfigureAwait(false);
            return 0;
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return CommandLine.Fail(1, "interrupted");
        }
        catch (Exception error) when (TrainCommand.IsFailure(error))
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static string CheckpointOf(string run, string which)
    {
        var root = Path.Combine(run, RunFiles.Checkpoints);
        if (long.TryParse(which, NumberStyles.None, CultureInfo.InvariantCulture, out var step))
        {
            var folder = CheckpointStore.FolderOf(root, step);
            CheckpointFolder.Verify(folder);
            return folder;
        }
        if (which is not (Newest or Best)) throw new RunFolderException($"--checkpoint is '{which}'; allowed: {Newest}, {Best} or a step");
        // Looked at alone: the run may go on meanwhile.
        var usable = CheckpointStore.Usable(root);
        var chosen = which == Newest ? usable.MaxBy(m => m.Round) : CheckpointStore.BestOf(usable);
        return chosen is null ? throw new RunFolderException($"'{root}' holds no such checkpoint.") : CheckpointStore.FolderOf(root, chosen.Step);
    }
}
