using Distributed.Core;
using Distributed.Hosting.Processes;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Natives;
using Distributed.Worker.Tasks;
using Distributed.Worker.Training;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Commands;

/// <summary>A worker that draws what the model of a finished run makes of test samples: a PNG, to standard output.</summary>
internal static class PictureProcess
{
    private const int BestPng = 100;

    /// <param name="dataDirectory">As for a worker that trains.</param>
    /// <returns>Exit code: 0 done; 1 failed; 2 bad input.</returns>
    public static int Run(string runFolder, string? dataDirectory)
    {
        try
        {
            var run = TrainedRun.Read(runFolder);
            var data = DataSets.Load(run.Job, new() { DataDirectory = dataDirectory });
            if (JobModels.CreateTask(run.Job, data) is not IPicturedTask task)
                throw new PredictException($"the run in '{runFolder}' is of the task {run.Job.Task}, which has no picture; give the folder of a run that has one");
            ExternalLibtorch.Load(static _ => { });
            set_num_threads(run.Job.Threads);
            using var picture = Draw(run, data, task);
            using var output = Console.OpenStandardOutput();
            return picture.Encode(output, SKEncodedImageFormat.Png, BestPng) ? 0 : CommandLine.Fail(1, "the picture could not be written as PNG");
        }
        catch (Exception error) when (error is PredictException or DataException or LibtorchException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        catch (IOException error)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static SKBitmap Draw(TrainedRun run, DataSet data, IPicturedTask task)
    {
        try
        {
            using var model = JobModels.LoadModel(run.Job, data.Test.Format, run.Model.Tensors, CPU);
            return task.Draw(model, CPU);
        }
        catch (InvalidDataException error)
        {
            throw new PredictException(TrainedRun.Unusable(run.ModelPath, error.Message), error);
        }
    }
}
