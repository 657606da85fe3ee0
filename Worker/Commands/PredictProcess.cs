using System.Text;
using System.Text.Json;
using Distributed.Core;
using Distributed.Hosting.Processes;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Natives;
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Commands;

/// <summary>
/// A worker that predicts: from standard input it reads the paths of images, each a line with a JSON string, and answers each
/// with a line, a <see cref="Prediction"/>. It ends when its input does, and so with whoever has started it.
/// </summary>
internal static class PredictProcess
{
    /// <returns>Exit code: 0 done, whatever was wrong with single images; 1 failed; 2 bad input.</returns>
    public static int Run(string runFolder, string device, IReadOnlyList<string> plugins)
    {
        try
        {
            var run = TrainedRun.Read(runFolder);
            if (run.Data is not { Scale: { } scale, Shape: [(1 or 3) and var channels, var height, var width], Classes: { Count: > 0 } labels })
                throw new PredictException($"the run in '{runFolder}' has learned from {run.Job.Data}, whose samples are not images of one class each; give the folder of a run on {string.Join(", ", DataSets.Names.Where(name => DataSets.FormatOf(name) is ImageFormat))}, or a folder or idx files of your own");
            var format = new ImageFormat(channels, height, width, labels.Count, scale);
            using var predictor = Load(run, format, device, plugins);
            using var input = new StreamReader(Console.OpenStandardInput(), Encoding.UTF8);
            using var output = new StreamWriter(Console.OpenStandardOutput()) { NewLine = "\n", AutoFlush = true };
            while (input.ReadLine() is { } line)
                output.WriteLine(Predict(predictor, format, labels, JsonSerializer.Deserialize<string>(line)!).ToLine());
            return 0;
        }
        catch (Exception error) when (error is PredictException or PluginException or DataException or DeviceException or LibtorchException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        catch (JsonException error)
        {
            return CommandLine.Fail(2, $"standard input has a line that is no JSON string: {error.Message}");
        }
        catch (IOException error)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static Predictor Load(TrainedRun run, ImageFormat format, string device, IReadOnlyList<string> plugins)
    {
        ExternalLibtorch.Load(static _ => { });
        var on = Devices.Resolve(device);
        if (on.type == TorchSharp.DeviceType.CUDA) DeterministicKernels.Request();
        set_num_threads(run.Job.Threads);
        try
        {
            return new(run.Job, format, run.Model.Tensors, on, PluginSet.Load(plugins));
        }
        catch (InvalidDataException error)
        {
            throw new PredictException(TrainedRun.Unusable(run.ModelPath, error.Message), error);
        }
    }

    private static Prediction Predict(Predictor predictor, ImageFormat format, IReadOnlyList<string> labels, string path)
    {
        try
        {
            var logits = predictor.Logits(ImageFile.Read(path, format));
            return logits.All(float.IsFinite)
                ? Prediction.Of(path, logits, labels)
                : new() { File = path, Error = "makes the model give numbers that are not finite: its training has diverged; train again, with a lower learning rate" };
        }
        catch (ImageException error)
        {
            return new() { File = path, Error = error.Message };
        }
    }
}
