using System.CommandLine;
using System.ComponentModel;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Processes;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

// Draws the predictions of a trained model on test samples. A process of the worker program does it, which reads the model from the run
// folder: pictures need no message of the training protocol, and old runs have them too.
internal static class PictureCommand
{
    private const int MaxBytes = 64 << 20;

    public static Command Create()
    {
        var run = Declare.Required("--run", "Folder of a finished run.");
        var dataDir = Declare.Text("--data-dir", "Folder with data sets.");
        return Declare.Command("picture",
            $"Draws the predictions of a finished detection or segmentation on test samples: {RunFiles.Picture} in the run folder. "
            + "train does so itself where the worker program is on its machine. Example: picture --run runs/mine",
            [run, dataDir],
            (parsed, cancel) => RunAsync(parsed.GetRequiredValue(run), parsed.GetValue(dataDir), cancel));
    }

    private static async Task<int> RunAsync(string run, string? dataDirectory, CancellationToken cancel)
    {
        var (exitCode, error) = await TryDrawAsync(run, dataDirectory, cancel).ConfigureAwait(false);
        if (error is not null) return CommandLine.Fail(exitCode == CommandLine.BadInput ? exitCode : 1, error);
        Console.WriteLine($"Picture: {Path.Combine(run, RunFiles.Picture)}");
        return 0;
    }

    /// <summary>At the end of training, where a failure is only reported: the model is complete without a picture.</summary>
    internal static async Task DrawAsync(string run, string? dataDirectory, CancellationToken cancel)
    {
        string? reason;
        try
        {
            (_, reason) = await TryDrawAsync(run, dataDirectory, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            reason = "interrupted";
        }
        if (reason is not null) Console.WriteLine($"No {RunFiles.Picture}: {reason}. Draw it later: picture --run {run}");
    }

    private static async Task<(int ExitCode, string? Error)> TryDrawAsync(string run, string? dataDirectory, CancellationToken cancel)
    {
        try
        {
            byte[] picture = [];
            var (exitCode, error) = await WorkerProgram.RunAsync(
                ["picture", "--run", run, .. dataDirectory is null ? (string[])[] : ["--data-dir", dataDirectory]],
                output: async output => picture = await ReadAsync(output.BaseStream, cancel).ConfigureAwait(false),
                isQuiet: true,
                cancel: cancel).ConfigureAwait(false);
            if (exitCode != 0) return (exitCode, error ?? $"the worker ended with exit code {exitCode}");
            AtomicFile.Write(Path.Combine(run, RunFiles.Picture), stream => stream.Write(picture));
            return (0, null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Win32Exception)
        {
            return (1, error.Message);
        }
    }

    private static async Task<byte[]> ReadAsync(Stream from, CancellationToken cancel)
    {
        using var read = new MemoryStream();
        var buffer = new byte[1 << 16];
        while (await from.ReadAsync(buffer, cancel).ConfigureAwait(false) is > 0 and var count)
        {
            if (read.Length + count > MaxBytes) throw new IOException($"the worker's picture has more than {MaxBytes} bytes");
            read.Write(buffer, 0, count);
        }
        return read.ToArray();
    }
}
