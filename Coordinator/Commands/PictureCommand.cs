using System.CommandLine;
using System.ComponentModel;
using Distributed.Hosting.Processes;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>Draws what the trained model of a run makes of test samples.</summary>
internal static class PictureCommand
{
    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var run = new Option<string>("--run") { Description = "Folder of a finished run.", Required = true };
        var dataDir = new Option<string?>("--data-dir") { Description = "Folder with data sets." };
        var command = new Command("picture",
            $"Draws what the model of a finished detection or segmentation makes of test samples: {RunFiles.Picture} in the run's folder. "
            + "train does so itself where the worker program is on its machine. Example: picture --run runs/mine")
        {
            run, dataDir,
        };
        command.SetAction((parsed, cancel) => RunAsync(parsed.GetRequiredValue(run), parsed.GetValue(dataDir), cancel));
        return command;
    }

    private static async Task<int> RunAsync(string run, string? dataDirectory, CancellationToken cancel)
    {
        try
        {
            var path = Path.Combine(run, RunFiles.Picture);
            var (exitCode, error) = await PictureWorker.RunAsync(run, dataDirectory, path, cancel).ConfigureAwait(false);
            if (error is not null) return CommandLine.Fail(exitCode == CommandLine.BadInput ? exitCode : 1, error);
            Console.WriteLine($"Picture: {path}");
            return 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Win32Exception)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    /// <summary>The same at the end of training. A model without a picture is a model all the same, so that what goes wrong is only told.</summary>
    internal static async Task DrawAsync(string run, string? dataDirectory, CancellationToken cancel)
    {
        string? reason;
        try
        {
            (_, reason) = await PictureWorker.RunAsync(run, dataDirectory, Path.Combine(run, RunFiles.Picture), cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Win32Exception)
        {
            reason = error.Message;
        }
        catch (OperationCanceledException)
        {
            reason = "interrupted";
        }
        if (reason is not null) Console.WriteLine($"No {RunFiles.Picture}: {reason}. Draw it later: picture --run {run}");
    }
}
