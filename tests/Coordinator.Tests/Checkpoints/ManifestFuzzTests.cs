using Distributed.Coordinator.Runs;
using Distributed.Tests.Fuzzing;

namespace Distributed.Coordinator.Tests.Checkpoints;

/// <summary>Any bytes in place of a checkpoint's manifest: a valid manifest, or an error with a reason.</summary>
public sealed class ManifestFuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Any_file_is_a_valid_manifest_or_refused()
    {
        var path = _folder[Manifest.FileName];
        SavedCheckpoint.Example.Save(path);
        var fuzzer = Fuzzer.Run(20_000, [File.ReadAllBytes(path)], bytes =>
        {
            // Some file systems flush a file that is overwritten, which takes ten times as long.
            File.Delete(path);
            File.WriteAllBytes(path, bytes);
            try
            {
                Assert.All(Manifest.Load(path).Files, file => Assert.Equal(file.Name, Path.GetFileName(file.Name)));
                return null;
            }
            catch (CheckpointException refused)
            {
                return refused.Message[..Math.Min(refused.Message.Length, _folder.Path.Length + 60)];
            }
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 5, 10_000);
    }
}
