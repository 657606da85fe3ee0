using System.CommandLine;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

internal static class TrainCommand
{
    public static Command Create()
    {
        var chaos = Declare.Text("--chaos",
            "Check the job under faults, on this machine: kill-worker@30,freeze-worker@60:5s,join@80,drain@90,kill-all-workers@95,"
            + "restart-coordinator@100 (the numbers are training steps) or random:SEED:COUNT. The check starts and replaces its workers "
            + "itself; --max-restarts has no effect. Exit code 0: the result is that of an undisturbed run, bit for bit.");
        var options = TrainOptions.Create();
        return Declare.Command(
            "train", "Trains a model. Example: train jobs/digits.yaml --workers 4 --set epochs=5", [.. options.All, chaos],
            (parsed, _) => parsed.GetValue(chaos) is { } plan
                ? ChaosCommand.RunAsync(plan, options.Read(parsed)) : RunAsync(options.Read(parsed)));
    }

    private static async Task<int> RunAsync(TrainArguments arguments)
    {
        InformingWriter.Install();
        if (arguments.Workers > 0 && arguments.MinWorkers > arguments.Workers)
            throw new JobException($"--min-workers is {arguments.MinWorkers}, but --workers {arguments.Workers}; "
                + $"allowed: 1 to {arguments.Workers}");
        if (Failures.Input(() => RunStart.Of(arguments)) is not { } start) return await StayAsync(arguments, arguments.Run!);
        var (path, job) = (start.Folder.Path, start.Job);
        return await Failures.ReportAsync($"interrupted; what there is so far is in {path}", async stopping =>
        {
            using var _ = start;
            await new TrainingHost(start, (journal, recorder, trained) => new TrainingOutcome(start, journal, recorder, trained))
                .RunAsync(stopping);
            if (job.Kind.IsPictured) await PictureCommand.DrawAsync(path, arguments.DataDirectory, stopping);
            if (job.Model is TorchScriptSpec && await ExportCommand.RunAsync(path, stopping) is not 0 and var failed) return failed;
            return stopping.IsCancellationRequested ? 0 : await StayAsync(arguments, path);
        });
    }

    private static async Task<int> StayAsync(TrainArguments arguments, string path)
    {
        if (arguments.Stay) return await ShowCommand.StayAsync(path, arguments);
        if (arguments.ResumeIfBegun) Console.WriteLine($"The run in {path} is finished.");
        return 0;
    }
}
