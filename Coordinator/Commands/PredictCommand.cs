using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>Classifies images with a trained model. A process of the worker program does it, which has libtorch.</summary>
internal static class PredictCommand
{
    private const int MostProbable = 5;

    public static Command Create()
    {
        var run = Declare.Required("--run", "Folder of a finished run: its job.yaml and model.safetensors are used.");
        var device = Declare.Text("--device", "auto", "Device to compute with: auto, cpu, cuda:N.");
        var plugin = PluginOption.Create();
        var json = Declare.Flag("--json",
            "Write one JSON document: a list of {file, label, probability, probabilities, logits}, or {file, error}.");
        var images = Declare.Argument<string[]>("IMAGE", ArgumentArity.OneOrMore,
            "PNG or JPEG files, or folders of them, of any size, grey or in colour.");
        return Declare.Command("predict",
            "Classifies images with the model of a finished run, each made grey, resized and scaled as the model's data set is. "
            + "digits and fashion-mnist are white on black: an image that is black on white must be inverted first. "
            + "Exit code 1: an image could not be read. Example: predict --run runs/mine three.png photos/",
            [images, run, device, plugin, json],
            (parsed, _) => RunAsync(parsed.GetRequiredValue(run), parsed.GetRequiredValue(device),
                PluginOption.Paths(parsed.GetValue(plugin)), parsed.GetValue(json), parsed.GetRequiredValue(images)));
    }

    private static async Task<int> RunAsync(string run, string device, IReadOnlyList<string> plugins, bool json, string[] paths)
    {
        var images = Failures.Input(() => ImageList.Expand(paths));
        List<Prediction> predictions = [];
        var (exitCode, _) = await WorkerProgram.RunAsync(
            ["predict", "--run", run, "--device", device, .. PluginOption.Arguments(plugins)],
            async input =>
            {
                foreach (var image in images) await input.WriteLineAsync(JsonSerializer.Serialize(image)).ConfigureAwait(false);
            },
            output => WorkerProgram.EachLineAsync(output, line => predictions.Add(Parse(line)), default)).ConfigureAwait(false);
        if (exitCode is 1 or 2) return exitCode;
        if (exitCode != 0 || predictions.Count != images.Count)
            throw new IOException($"the worker ended with exit code {exitCode} after {predictions.Count} of {images.Count} image(s)"
                + (predictions.Count < images.Count ? $", at {images[predictions.Count]}" : ""));
        return Show(predictions, json);
    }

    private static Prediction Parse(string line)
    {
        try
        {
            return Prediction.Parse(line);
        }
        catch (JsonException error)
        {
            throw new IOException($"the worker wrote '{line}', which is not a prediction", error);
        }
    }

    private static int Show(List<Prediction> predictions, bool json)
    {
        if (json) Console.WriteLine($"[\n{string.Join(",\n", predictions.Select(prediction => prediction.ToLine()))}\n]");
        else Show(predictions.Where(prediction => prediction.Error is null));
        var failed = predictions.FindAll(prediction => prediction.Error is not null);
        foreach (var prediction in failed) CommandLine.Fail(1, Shown.InFull($"{prediction.File} {prediction.Error}"));
        return failed.Count > 0 ? 1 : 0;
    }

    private static void Show(IEnumerable<Prediction> predictions)
    {
        var table = PlainTable.With("file", "label", "probability>", "most probable");
        foreach (var prediction in predictions)
        {
            var best = prediction.Probabilities!.OrderByDescending(p => p.Value).Take(MostProbable);
            table.AddTexts(prediction.File, prediction.Label!, Percent(prediction.Probability!.Value),
                string.Join(", ", best.Select(p => $"{p.Key} {Percent(p.Value)}")));
        }
        if (table.Rows.Count > 0) PlainTable.Console().Write(table);
    }

    private static string Percent(float share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %");
}

internal static class ImageList
{
    private static readonly string[] _endings = [".png", ".jpg", ".jpeg"];

    /// <summary>Replaces each folder by the PNG and JPEG files directly in it, ordered by name.</summary>
    public static IReadOnlyList<string> Expand(IEnumerable<string> paths) =>
        [.. paths.SelectMany(path => Directory.Exists(path) ? In(path) : [path])];

    private static List<string> In(string folder)
    {
        List<string> images = [.. Directory.EnumerateFiles(folder)
            .Where(file => _endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            .OrderBy(Path.GetFileName, StringComparer.Ordinal)];
        return images.Count > 0 ? images
            : throw new IOException($"'{folder}' has no file that ends in {string.Join(", ", _endings)}; "
                + "name a folder with images, or images");
    }
}
