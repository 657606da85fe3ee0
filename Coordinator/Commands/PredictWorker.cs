using System.Text.Json;
using Distributed.Coordinator.Cluster;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>A process of the worker program that predicts. What it has to complain about goes to this process's standard error.</summary>
internal static class PredictWorker
{
    /// <param name="plugins">Libraries of the user's that it loads.</param>
    /// <returns>Its exit code, and its answers, in the order of the images: all of them where the exit code is 0.</returns>
    /// <exception cref="FileNotFoundException">No worker program is on this machine.</exception>
    /// <exception cref="IOException">The worker has not answered as it should.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public static async Task<(int ExitCode, IReadOnlyList<Prediction> Predictions)> RunAsync(
        string runFolder, string device, IReadOnlyList<string> plugins, IReadOnlyList<string> images)
    {
        List<Prediction> predictions = [];
        var (exitCode, _) = await WorkerProgram.RunAsync(
            ["predict", "--run", runFolder, "--device", device, .. PluginOption.Arguments(plugins)],
            async input =>
            {
                foreach (var image in images) await input.WriteLineAsync(JsonSerializer.Serialize(image)).ConfigureAwait(false);
            },
            async output =>
            {
                while (await output.ReadLineAsync().ConfigureAwait(false) is { } line) predictions.Add(Parse(line));
            }).ConfigureAwait(false);
        if (exitCode is not (0 or 1 or 2) || exitCode == 0 && predictions.Count != images.Count)
            throw new IOException($"the worker ended with exit code {exitCode} after {predictions.Count} of {images.Count} image(s){(predictions.Count < images.Count ? $", at {images[predictions.Count]}" : "")}");
        return (exitCode, predictions);
    }

    private static Prediction Parse(string line)
    {
        try
        {
            return Prediction.Parse(line);
        }
        catch (JsonException error)
        {
            throw new IOException($"the worker wrote '{line}', which is no prediction", error);
        }
    }
}
