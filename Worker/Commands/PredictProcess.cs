using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Natives;
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Commands;

// Reads the paths of images from standard input, each a line with a JSON string, and answers each with a line: a
// Prediction. The process ends with its input, and so with the process that started it.
internal static class PredictProcess
{
    public static int Run(string runFolder, string device, IReadOnlyList<string> plugins) => TrainedRun.Use(runFolder, run =>
    {
        if (run.Data is not
            { Scale: { } scale, Shape: [(1 or 3) and var channels, var height, var width], Classes: { Count: > 0 } labels })
        {
            var images = string.Join(", ", DataSets.Names.Where(name => DataSets.FormatOf(name) is ImageFormat));
            throw new PredictException($"the run in '{runFolder}' has learned from {run.Job.Data}, whose samples are not images of one "
                + $"class each; give the folder of a run on {images}, or a folder or idx files of your own");
        }
        var format = new ImageFormat(channels, height, width, labels.Count, scale);
        var on = Devices.Resolve(device);
        if (on.type == TorchSharp.DeviceType.CUDA) DeterministicKernels.Request();
        using var predictor = new Predictor(run.Job, format, run.Model.Tensors, on, PluginSet.Load(plugins));
        using var input = new StreamReader(Console.OpenStandardInput(), Encoding.UTF8);
        using var output = new StreamWriter(Console.OpenStandardOutput()) { NewLine = "\n", AutoFlush = true };
        while (input.ReadLine() is { } line) output.WriteLine(Predict(predictor, format, labels, PathIn(line)).ToLine());
    });

    private static string PathIn(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<string>(line)!;
        }
        catch (JsonException error)
        {
            throw new PredictException($"standard input has a line that is no JSON string: {error.Message}", error);
        }
    }

    private static Prediction Predict(Predictor predictor, ImageFormat format, IReadOnlyList<string> labels, string path)
    {
        const string Diverged =
            "makes the model give numbers that are not finite: its training has diverged; train again, with a lower learning rate";
        try
        {
            var logits = predictor.Logits(ImageFile.Read(path, format));
            return logits.All(float.IsFinite) ? Prediction.Of(path, logits, labels) : new() { File = path, Error = Diverged };
        }
        catch (ImageException error)
        {
            return new() { File = path, Error = error.Message };
        }
    }
}

/// <summary>A trained model that classifies images one at a time, so that no result depends on other images. For one thread.</summary>
internal sealed class Predictor(
    Job job, ImageFormat format, IReadOnlyCollection<TensorData> tensors, Device device, PluginSet? plugins = null) : IDisposable
{
    private readonly nn.Module _model = JobModels.LoadModel(job, format, tensors, device, plugins);

    // The outputs of the model before the softmax, one per class. A model with one output for two classes gives the logit of the second;
    // the first gets 0, so that the softmax of both equals the sigmoid of the output.
    public float[] Logits(ReadOnlyMemory<byte> pixels)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var image = empty([1, format.Channels, format.Height, format.Width], ScalarType.Float32);
        // Scaled by the code that training uses, so that equal pixels become equal numbers.
        Span<float> label = stackalloc float[1];
        new ImageSet(pixels, new byte[1], format).CopyTo([0], MemoryMarshal.Cast<byte, float>(image.bytes), label);
        var outputs = _model.Call(image.to(device)).cpu().data<float>().ToArray();
        return outputs is [var output] ? [0, output] : outputs;
    }

    public void Dispose() => _model.Dispose();
}
