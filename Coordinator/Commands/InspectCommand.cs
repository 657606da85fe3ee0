using System.CommandLine;
using System.Text.Json;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

/// <summary>Says what a file or folder of this project's holds, and whether it is whole.</summary>
internal static class InspectCommand
{
    private const string TensorFileEnding = ".safetensors";
    private const string CheckpointPrefix = "step-";

    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var path = new Argument<string>("PATH") { Description = "A safetensors file, a run's folder, or a checkpoint's." };
        var json = new Option<bool>("--json") { Description = "Write one JSON document." };
        path.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => token.Value.StartsWith('-')) is { } unknown)
                result.AddError($"{unknown.Value} is no option of inspect; --help lists them");
        });
        var command = new Command("inspect",
            "Tells what a safetensors file, a run or a checkpoint holds, and reads every byte of it. Exit code 1: something in it is damaged; 2: it is none of these. "
            + "Example: inspect runs/mine/model.safetensors")
        {
            path, json,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(path), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string path, bool json)
    {
        IInspection? inspection;
        try
        {
            inspection = Inspect(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(2, $"'{path}' cannot be read: {error.Message}");
        }
        if (inspection is null)
            return CommandLine.Fail(2, File.Exists(path) || Directory.Exists(path)
                ? $"'{path}' is no safetensors file, holds no run and is no checkpoint; give one of these"
                : $"'{path}' does not exist; give a safetensors file, or the folder of a run or a checkpoint");

        if (json) Console.WriteLine(JsonSerializer.Serialize(inspection, inspection.GetType(), RunJson.File));
        else InspectionView.Write(PlainTable.Console(), inspection);
        foreach (var fault in inspection.Damage) CommandLine.Fail(1, Shown.InFull(fault));
        return inspection.Damage.Count > 0 ? 1 : 0;
    }

    /// <returns>Null where it is nothing that is known here.</returns>
    private static IInspection? Inspect(string path)
    {
        if (Directory.Exists(path))
            return File.Exists(Path.Combine(path, CheckpointFolder.ManifestName)) ? CheckpointInspection.Read(path)
                : RunInspection.Is(path) ? RunInspection.Read(path)
                // One whose manifest was lost is a damaged checkpoint.
                : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))).StartsWith(CheckpointPrefix, StringComparison.Ordinal) ? CheckpointInspection.Read(path)
                : null;
        if (!File.Exists(path)) return null;
        var file = TensorFileInspection.Read(path);
        // What does not look like one was perhaps never meant to be one.
        return file.Damage.Count == 0 || path.EndsWith(TensorFileEnding, StringComparison.OrdinalIgnoreCase) ? file : null;
    }
}
