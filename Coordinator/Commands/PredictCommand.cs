using System.CommandLine;
using System.ComponentModel;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>Says what a trained model takes images for.</summary>
internal static class PredictCommand
{
    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var run = new Option<string>("--run") { Description = "Folder of a finished run: its job.yaml and model.safetensors are used.", Required = true };
        var device = new Option<string>("--device") { Description = "What to compute with: auto, cpu, cuda:N.", DefaultValueFactory = _ => "auto" };
        var plugin = PluginOption.Create();
        var json = new Option<bool>("--json") { Description = "Write one JSON document: a list of {file, label, probability, probabilities, logits}, or {file, error}." };
        var images = new Argument<string[]>("IMAGE") { Description = "PNG or JPEG files, or folders of them, of any size, grey or in colour.", Arity = ArgumentArity.OneOrMore };
        images.Validators.Add(result =>
        {
            foreach (var unknown in result.Tokens.Where(token => token.Value.StartsWith('-')))
                result.AddError($"{unknown.Value} is no option of predict; --help lists them");
        });
        var command = new Command("predict",
            "Classifies images with the model of a finished run, each made grey, resized and scaled as the model's data set is. "
            + "digits and fashion-mnist are white on black: an image that is black on white has to be inverted first. "
            + "Exit code 1: an image could not be read. Example: predict --run runs/mine three.png photos/")
        {
            images, run, device, plugin, json,
        };
        command.SetAction((parsed, _) => RunAsync(parsed.GetRequiredValue(run), parsed.GetRequiredValue(device), PluginOption.Paths(parsed.GetValue(plugin)), parsed.GetValue(json), parsed.GetRequiredValue(images)));
        return command;
    }

    private static async Task<int> RunAsync(string run, string device, IReadOnlyList<string> plugins, bool json, string[] paths)
    {
        IReadOnlyList<string> images;
        try
        {
            images = ImageList.Expand(paths);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        try
        {
            var (exitCode, predictions) = await PredictWorker.RunAsync(run, device, plugins, images).ConfigureAwait(false);
            return exitCode == 0 ? Show(predictions, json) : exitCode;
        }
        catch (Exception error) when (error is IOException or Win32Exception)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static int Show(IReadOnlyList<Prediction> predictions, bool json)
    {
        if (json) Console.WriteLine($"[\n{string.Join(",\n", predictions.Select(prediction => prediction.ToLine()))}\n]");
        else PredictionTable.Write(PlainTable.Console(), predictions);
        List<Prediction> failed = [.. predictions.Where(prediction => prediction.Error is not null)];
        foreach (var prediction in failed) CommandLine.Fail(1, Shown.InFull($"{prediction.File} {prediction.Error}"));
        return failed.Count > 0 ? 1 : 0;
    }
}
