using System.Globalization;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// Writes a run's history as comma-separated values, a line a step. Numbers are invariant and read back to the same bits.
/// The file may be followed while it grows.
/// </summary>
public sealed class HistoryWriter : IDisposable
{
    private readonly StreamWriter _writer;

    /// <summary>Begins a new file at <paramref name="path"/>; one that was there is replaced.</summary>
    /// <exception cref="IOException">The file cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public HistoryWriter(string path)
    {
        _writer = new StreamWriter(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read)) { NewLine = "\n" };
        _writer.WriteLine("step,epoch,loss,learning_rate,gradient_norm,samples_per_second");
    }

    /// <summary>Adds a line. It may stay in memory until <see cref="Flush"/> or <see cref="Dispose"/>.</summary>
    public void Write(HistoryRow row) => _writer.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Step},{row.Epoch},{row.Loss:R},{row.LearningRate:R},{row.GradientNorm:R},{row.SamplesPerSecond:R}"));

    /// <summary>Hands every line to the operating system.</summary>
    public void Flush() => _writer.Flush();

    /// <summary>Flushes and closes the file.</summary>
    public void Dispose() => _writer.Dispose();
}
