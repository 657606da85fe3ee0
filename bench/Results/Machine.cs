using System.Globalization;
using System.Runtime.InteropServices;

namespace Distributed.Bench.Results;

/// <summary>The machine of the benchmarks: figures of different machines, or of a busy one, are not comparable.</summary>
/// <param name="Cores">Logical processors that this process may use.</param>
/// <param name="LoadAverage">Runnable processes over the last minute, at the start; null if unknown.</param>
/// <param name="Peer">Version of PyTorch; null without a peer.</param>
internal sealed record Machine(string Cpu, int Cores, string Runtime, double? LoadAverage, string? Peer)
{
    public static Machine Here(string? peer) => new(
        FirstLine("/proc/cpuinfo", "model name")?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString(),
        Environment.ProcessorCount,
        RuntimeInformation.FrameworkDescription,
        FirstLine("/proc/loadavg", "") is { } load ? double.Parse(load.Split(' ')[0], CultureInfo.InvariantCulture) : null,
        peer);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Cpu}, {Cores} cores, {Runtime}, load average {LoadAverage?.ToString("0.00", CultureInfo.InvariantCulture) ?? "unknown"} " +
        $"at the start, peer: {(Peer is null ? "none" : $"PyTorch {Peer}")}");

    private static string? FirstLine(string path, string start) =>
        File.Exists(path) ? File.ReadLines(path).FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal)) : null;
}
