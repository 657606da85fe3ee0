using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Commands;

/// <summary>
/// A process of the worker program that draws what a trained model makes of test samples. The model lies in the run's folder, so that
/// nothing of it has to pass through the protocol of training, and a picture can be had of an old run too.
/// </summary>
internal static class PictureWorker
{
    private const int MaxBytes = 64 << 20;

    /// <summary>Runs it to its end, and writes the picture.</summary>
    /// <param name="dataDirectory">Folder with data sets; null for the worker's own default.</param>
    /// <param name="path">Where to.</param>
    /// <returns>Its exit code, and why it is not 0.</returns>
    /// <exception cref="FileNotFoundException">No worker program is on this machine.</exception>
    /// <exception cref="IOException">The picture is too large, or cannot be written.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public static async Task<(int ExitCode, string? Error)> RunAsync(string runFolder, string? dataDirectory, string path, CancellationToken cancel)
    {
        byte[] picture = [];
        var (exitCode, error) = await WorkerProgram.RunAsync(
            ["picture", "--run", runFolder, .. dataDirectory is null ? (string[])[] : ["--data-dir", dataDirectory]],
            output: async output => picture = await ReadAsync(output.BaseStream, cancel).ConfigureAwait(false),
            isQuiet: true,
            cancel: cancel).ConfigureAwait(false);
        if (exitCode != 0) return (exitCode, error ?? $"the worker ended with exit code {exitCode}");
        AtomicFile.Write(path, stream => stream.Write(picture));
        return (0, null);
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
