using Distributed.Core;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Natives;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;

namespace Distributed.Worker.Commands;

/// <summary>A worker that writes the trained model of a run as TorchScript into the run's folder: the code that it began with, the parameters that it came to.</summary>
internal static class ExportProcess
{
    /// <returns>Exit code: 0 done; 1 failed; 2 bad input.</returns>
    public static int Run(string runFolder)
    {
        try
        {
            var run = TrainedRun.Read(runFolder);
            if (run.Job.Model is not TorchScriptSpec script)
                throw new PredictException($"the model of the run in '{runFolder}' was none of TorchScript, so it cannot become one; its parameters are in {run.ModelPath}");
            ExternalLibtorch.Load(static _ => { });
            using var model = TorchScript.Load(script);
            ModelFile.Load(model, run.Model.Tensors);
            TorchScript.Save(model, Path.Combine(runFolder, RunFiles.TorchScript));
            return 0;
        }
        catch (InvalidDataException error)
        {
            return CommandLine.Fail(2, TrainedRun.Unusable(Path.Combine(runFolder, RunFiles.Model), error.Message));
        }
        catch (Exception error) when (error is PredictException or PluginException or DataException or LibtorchException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }
}
