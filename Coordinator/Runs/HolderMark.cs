using System.Globalization;
using System.Text.Json;

namespace Distributed.Coordinator.Runs;

/// <summary>What the holder of a run folder writes beside the lock, so that processes on other machines notice it.</summary>
/// <param name="Id">Tells this holder from every other one.</param>
/// <param name="Machine">The machine since it was booted: processes with the same value share the operating system's locks.</param>
/// <param name="Host">Name of the machine, for people.</param>
/// <param name="Process">Number of the process, for people.</param>
/// <param name="Since">When it took the folder.</param>
/// <param name="Renewals">How often the mark was renewed: it changes for as long as the holder lives.</param>
internal sealed record HolderMark(Guid Id, string Machine, string Host, int Process, DateTimeOffset Since, long Renewals)
{
    /// <summary>Bytes of a mark that are read; a mark that is written has fewer.</summary>
    public const int MaxBytes = 1024;

    private const string BootId = "/proc/sys/kernel/random/boot_id";

    /// <summary>What <see cref="Machine"/> is here.</summary>
    public static string ThisMachine { get; } = File.Exists(BootId) ? File.ReadAllText(BootId).Trim() : Environment.MachineName;

    public static HolderMark OfThisProcess(string machine, DateTimeOffset since) =>
        new(Guid.NewGuid(), machine, Environment.MachineName, Environment.ProcessId, since, 0);

    /// <returns>Null where the text is not one.</returns>
    public static HolderMark? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<HolderMark>(text, RunJson.Line);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public string ToText() => JsonSerializer.Serialize(this, RunJson.Line);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"process {Process} on {Host}, since {Since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
}
