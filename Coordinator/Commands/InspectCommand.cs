using System.CommandLine;
using System.Text.Json;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

internal static class InspectCommand
{
    private const string TensorFileEnding = ".safetensors";
    private const string CheckpointPrefix = "step-";

    public static Command Create()
    {
        var path = Declare.Argument<string>("PATH", ArgumentArity.ExactlyOne, "A safetensors file, a run folder, or a checkpoint folder.");
        var json = Declare.Flag("--json", "Write one JSON document.");
        return Declare.Command("inspect",
            "Shows what a safetensors file, a run or a checkpoint holds, and verifies every byte of it. "
            + "Exit code 1: something in it is damaged; 2: it is of another kind. Example: inspect runs/mine/model.safetensors",
            [path, json],
            (parsed, _) => Task.FromResult(Run(parsed.GetRequiredValue(path), parsed.GetValue(json))));
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
                ? $"'{path}' is neither a safetensors file, a run folder nor a checkpoint folder; give one of these"
                : $"'{path}' does not exist; give a safetensors file, or the folder of a run or a checkpoint");

        if (json) Console.WriteLine(JsonSerializer.Serialize(inspection, inspection.GetType(), RunJson.File));
        else InspectionView.Write(PlainTable.Console(), inspection);
        foreach (var fault in inspection.Damage) CommandLine.Fail(1, Shown.InFull(fault));
        return inspection.Damage.Count > 0 ? 1 : 0;
    }

    /// <returns>Null where the path is of no known kind.</returns>
    private static IInspection? Inspect(string path)
    {
        if (Directory.Exists(path))
        {
            // The manifest of a damaged checkpoint may be lost.
            var isCheckpoint = File.Exists(Path.Combine(path, Manifest.FileName))
                || !RunInspection.Is(path) && RunStart.NameOf(path).StartsWith(CheckpointPrefix, StringComparison.Ordinal);
            return isCheckpoint ? CheckpointInspection.Read(path) : RunInspection.Is(path) ? RunInspection.Read(path) : null;
        }
        if (!File.Exists(path)) return null;
        var file = TensorFileInspection.Read(path);
        // An unreadable file of another name was probably never a safetensors file.
        return file.Damage.Count == 0 || path.EndsWith(TensorFileEnding, StringComparison.OrdinalIgnoreCase) ? file : null;
    }
}
