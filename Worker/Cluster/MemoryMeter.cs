using System.Globalization;
using Distributed.Worker.Natives;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Cluster;

/// <summary>Tells how much memory there is to compute in, and how much was taken. What is freed stays with the process.</summary>
/// <param name="What">For people: whose memory.</param>
/// <param name="Free">Bytes that are free.</param>
/// <param name="Begin">From here on; returns what is taken already.</param>
/// <param name="Peak">The most bytes that were taken since.</param>
internal sealed record MemoryMeter(string What, Func<long> Free, Func<long> Begin, Func<long> Peak)
{
    private const string Status = "/proc/self/status";

    /// <exception cref="NotSupportedException">This machine does not tell.</exception>
    public static MemoryMeter Of(Device device) => device.type switch
    {
        DeviceType.CUDA => new($"{device}", () => DeviceMemory.Free() ?? throw Unknown(device), UsedOf, UsedOf),
        DeviceType.CPU when File.Exists(Status) => new("the machine", FreeOfMachine, BeginPeak, () => Kilobytes(Status, "VmHWM:")),
        _ => throw Unknown(device),
    };

    private static long UsedOf() => DeviceMemory.Used() ?? 0;

    private static NotSupportedException Unknown(Device device) => new($"how much memory {device} has is not known here; give batch and micro-batches as numbers");

    /// <summary>Of the machine, and of what the process may have of it.</summary>
    private static long FreeOfMachine() => Math.Min(Kilobytes("/proc/meminfo", "MemAvailable:"), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet);

    private static long BeginPeak()
    {
        try
        {
            // Where the kernel allows it, forgets the peak of what went before.
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The peak so far is then the least that will be seen: small sizes look alike, larger ones do not.
        }
        return Kilobytes(Status, "VmRSS:");
    }

    private static long Kilobytes(string file, string key)
    {
        var line = File.ReadLines(file).First(line => line.StartsWith(key, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2].Split('\t')[^1], CultureInfo.InvariantCulture);
    }
}
