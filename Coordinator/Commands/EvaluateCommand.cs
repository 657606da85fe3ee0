using System.CommandLine;
using System.Globalization;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

internal static class EvaluateCommand
{
    private const string Newest = "newest", Best = "best";

    public static Command Create()
    {
        var run = Declare.Required("--run", "Folder of the run.");
        var checkpoint = Declare.Text("--checkpoint",
            "Checkpoint of the run to evaluate: newest, best, or a step. Default: the trained model.");
        var options = new OptionSet<TrainArguments>(new() { Workers = 1, MinWorkers = 1, Device = "auto", Host = "127.0.0.1" });
        options.Number("--workers", 1, 1, 1024, (to, n) => to with { Workers = n }, "Worker processes to start on this machine.");
        options.Text("--device", "auto", (to, device) => to with { Device = device }, "Device of the workers: auto, cpu, cuda:N.");
        options.Text("--data-dir", (to, folder) => to with { DataDirectory = folder }, "Folder with data sets.");
        options.Add(PluginOption.Create(), (to, files) => to with { Plugins = PluginOption.Paths(files) });
        var security = new SecurityOptions();
        options.Add([security.Certificates], (to, parsed) => to with { Security = security.Of(parsed) });
        return Declare.Command("evaluate",
            "Evaluates a model on the test set: loss and metric; for a classifier also precision and recall of each class and the "
            + "confusion matrix, as tables, evaluation.json and confusion.png in the folder evaluation of the run. "
            + "Example: evaluate --run runs/mine --workers 4",
            [run, checkpoint, .. options.All],
            (parsed, _) => RunAsync(parsed.GetRequiredValue(run), parsed.GetValue(checkpoint), options.Read(parsed)));
    }

    private static Task<int> RunAsync(string run, string? checkpoint, TrainArguments arguments)
    {
        var (start, model) = Failures.Input(() => Open(run, checkpoint, arguments));
        return Failures.ReportAsync("interrupted", async stopping =>
        {
            using var _ = start;
            await new TrainingHost(start, (_, recorder, result) => new EvaluationOutcome(start, model, recorder, result.Workers))
                .RunAsync(stopping);
            return 0;
        });
    }

    private static (RunStart Start, string Model) Open(string run, string? checkpoint, TrainArguments arguments)
    {
        var (trained, _) = RunStart.ReadJob(arguments with { JobFile = RunStart.JobFileOf(run) });
        var job = TorchScriptFile.OfRun(trained, run) with { Epochs = 0, Checkpoint = new() { EverySteps = 0 } };
        var model = checkpoint is null
            ? Path.Combine(run, RunFiles.Model) : Path.Combine(CheckpointOf(run, checkpoint), Manifest.ModelName);
        if (!File.Exists(model))
            throw new RunFolderException($"'{model}' does not exist: the run is not finished. "
                + "Evaluate one of its checkpoints: --checkpoint newest");
        var initial = InitialParameters.Read(model, isStrict: true);
        var security = NodeSecurity.Open(arguments.Host, arguments.Security);
        var folder = RunFolder.Create(Path.Combine(run, "evaluation"), "evaluation", overwrite: true);
        return (RunStart.Begin(arguments, job, RunStart.NameOf(run), folder, initial, security), model);
    }

    private static string CheckpointOf(string run, string which)
    {
        var root = Path.Combine(run, RunFiles.Checkpoints);
        if (long.TryParse(which, NumberStyles.None, CultureInfo.InvariantCulture, out var step))
        {
            var folder = CheckpointStore.FolderOf(root, step);
            Manifest.Verify(folder);
            return folder;
        }
        if (which is not (Newest or Best)) throw new RunFolderException($"--checkpoint is '{which}'; allowed: {Newest}, {Best} or a step");
        // Without the run's lock, since the run may still be training.
        var usable = CheckpointStore.Usable(root);
        var chosen = which == Newest ? usable.MaxBy(m => m.Round) : CheckpointStore.BestOf(usable);
        return chosen is null
            ? throw new RunFolderException($"'{root}' holds no such checkpoint.") : CheckpointStore.FolderOf(root, chosen.Step);
    }
}
