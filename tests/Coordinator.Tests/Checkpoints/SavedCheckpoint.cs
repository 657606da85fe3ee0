using System.Security.Cryptography;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Checkpoints;

/// <summary>Checkpoints with arbitrary file contents.</summary>
internal static class SavedCheckpoint
{
    public static Manifest In(string folder, params IEnumerable<(string Name, byte[] Bytes)> files)
    {
        Directory.CreateDirectory(folder);
        List<CheckpointFile> listed = [];
        foreach (var (name, bytes) in files)
        {
            File.WriteAllBytes(Path.Combine(folder, name), bytes);
            listed.Add(new() { Name = name, Bytes = bytes.Length, Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)) });
        }
        var manifest = Example with { Files = listed };
        manifest.Save(Path.Combine(folder, Manifest.FileName));
        return manifest;
    }

    public static Manifest Example { get; } = new()
    {
        Version = Manifest.CurrentVersion,
        Step = 460,
        Round = 480,
        Epoch = 20,
        Digest = "0123456789abcdef0123456789abcdef",
        TestLoss = 0.125,
        Metric = "accuracy",
        TestMetric = 0.9,
        SavedAt = new(2026, 5, 4, 3, 2, 1, TimeSpan.Zero),
        JobSha256 = new('a', 64),
        Program = "1.0",
        Files =
        [
            new() { Name = Manifest.ModelName, Bytes = 3, Sha256 = new('b', 64) },
            new() { Name = Manifest.OptimizerName, Bytes = 0, Sha256 = new('c', 64) },
        ],
    };
}
