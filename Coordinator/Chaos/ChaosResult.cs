using System.Security.Cryptography;
using System.Text.Json;

namespace Distributed.Coordinator.Chaos;

/// <summary>What a finished run has left, as far as two runs are compared by it.</summary>
/// <param name="ModelSha256">SHA-256 of model.safetensors, in lower-case hexadecimal.</param>
/// <param name="Generations">Plans that were made; null where the report does not say.</param>
/// <param name="StepsRedone">Steps that were computed again; null where the report does not say.</param>
internal sealed record ChaosResult(string ModelSha256, long Steps, long? Generations, long? StepsRedone)
{
    /// <exception cref="IOException">A file of the result is not there.</exception>
    /// <exception cref="JsonException">The report is damaged.</exception>
    public static ChaosResult Read(string folder)
    {
        using var model = File.OpenRead(Path.Combine(folder, "model.safetensors"));
        using var report = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "report.json")));
        return new(
            Convert.ToHexStringLower(SHA256.HashData(model)),
            Number(report, "steps") ?? throw new JsonException($"the report in {folder} says no number of steps"),
            Number(report, "generations"), Number(report, "steps_redone"));
    }

    private static long? Number(JsonDocument report, string name) =>
        report.RootElement.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) ? number : null;
}
