using System.CommandLine;
using System.ComponentModel;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Processes;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>Writes the trained model of a run as TorchScript. A process of the worker program does it, which has libtorch.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var run = Declare.Required("--run", "Folder of a finished run.");
        return Declare.Command("export",
            $"Writes the trained model of a run that began with TorchScript as TorchScript: {RunFiles.TorchScript} in the run folder. "
            + "train does so itself where the worker program is on its machine. Example: export --run runs/mine",
            [run], (parsed, cancel) => RunAsync(parsed.GetRequiredValue(run), cancel));
    }

    /// <returns>Exit code: 0 done, 1 failed, 2 bad input.</returns>
    public static async Task<int> RunAsync(string runFolder, CancellationToken cancel)
    {
        try
        {
            var (exitCode, _) = await WorkerProgram.RunAsync(["export", "--run", runFolder], cancel: cancel).ConfigureAwait(false);
            return exitCode is 0 or 1 or 2 ? exitCode
                : CommandLine.Fail(1, $"the worker that writes {RunFiles.TorchScript} ended with exit code {exitCode}");
        }
        catch (Exception error) when (error is IOException or Win32Exception)
        {
            return CommandLine.Fail(1, $"{RunFiles.TorchScript} is not written: {error.Message} The trained parameters are in "
                + $"{RunFiles.Model}; on a machine with the worker program, export --run {runFolder} writes {RunFiles.TorchScript}");
        }
    }
}
