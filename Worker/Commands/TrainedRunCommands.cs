using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Commands;

internal static class ExportProcess
{
    public static int Run(string runFolder) => TrainedRun.Use(runFolder, run =>
    {
        if (run.Job.Model is not TorchScriptSpec script)
            throw new PredictException($"the run in '{runFolder}' has no model in TorchScript; its parameters are in {run.ModelPath}");
        using var model = TorchScript.Load(script);
        ModelFile.Load(model, run.Model.Tensors);
        TorchScript.Save(model, Path.Combine(runFolder, RunFiles.TorchScript));
    });
}

/// <summary>Draws the predictions of a finished run's model for test samples: a PNG, to standard output.</summary>
internal static class PictureProcess
{
    private const int BestPng = 100;

    public static int Run(string runFolder, string? dataDirectory) => TrainedRun.Use(runFolder, run =>
    {
        var data = DataSets.Load(run.Job, new() { DataDirectory = dataDirectory });
        if (JobModels.CreateTask(run.Job, data) is not IPicturedTask task)
        {
            throw new PredictException(
                $"the run in '{runFolder}' is of the task {run.Job.Task}, which has no picture; give the folder of a run that has one");
        }
        using var model = JobModels.LoadModel(run.Job, data.Test.Format, run.Model.Tensors, CPU);
        using var picture = task.Draw(model, CPU);
        using var output = Console.OpenStandardOutput();
        if (!picture.Encode(output, SKEncodedImageFormat.Png, BestPng)) throw new IOException("the picture could not be written as PNG");
    });
}
