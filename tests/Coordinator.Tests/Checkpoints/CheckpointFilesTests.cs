using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Checkpoints;

public sealed class CheckpointFilesTests : IDisposable
{
    private static readonly (string Name, byte[] Bytes)[] _files =
        [(Manifest.ModelName, [1, 2, 3, 4]), (Manifest.OptimizerName, []), ("extra", [5])];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_undamaged_checkpoint_matches_its_manifest()
    {
        var saved = SavedCheckpoint.In(_folder.Path, _files);
        Assert.Equal(saved.Files, Manifest.Verify(_folder.Path).Files);
        File.WriteAllText(_folder["notes.txt"], "The manifest does not list this file.");
        Assert.Equal(saved.Step, Manifest.Verify(_folder.Path).Step);
    }

    [Fact]
    public void Any_changed_byte_is_detected() =>
        Gen.Select(Gen.Byte.Array[1, 2000], Gen.Byte[1, 255], Gen.Double[0, 0.9999]).Sample((bytes, change, at) =>
        {
            SavedCheckpoint.In(_folder.Path, (Manifest.ModelName, bytes), (Manifest.OptimizerName, [9]));
            bytes[(int)(at * bytes.Length)] ^= change;
            File.WriteAllBytes(_folder[Manifest.ModelName], bytes);
            Refused($"'{_folder[Manifest.ModelName]}' is damaged: its SHA-256 is ");
        }, iter: 50, threads: 1);

    [Fact]
    public void Every_damaged_file_is_named()
    {
        SavedCheckpoint.In(_folder.Path, _files);
        File.Delete(_folder[Manifest.OptimizerName]);
        File.WriteAllBytes(_folder["extra"], [5, 6]);
        Refused($"'{_folder[Manifest.OptimizerName]}' is missing");
        Assert.Equal(
            [$"'{_folder[Manifest.OptimizerName]}' is missing", $"'{_folder["extra"]}' has 2 bytes; its manifest says 1"],
            Manifest.Load(_folder[Manifest.FileName]).Faults(_folder.Path));
    }

    [Fact]
    public void A_checkpoint_without_its_manifest_or_a_needed_file_is_refused()
    {
        SavedCheckpoint.In(_folder.Path, _files[0]);
        Refused($"'{_folder[Manifest.FileName]}' is damaged: it lists no {Manifest.OptimizerName}");
        File.Delete(_folder[Manifest.FileName]);
        Refused($"'{_folder[Manifest.FileName]}' does not exist: the checkpoint is not complete");
    }

    private void Refused(string complaint) =>
        Assert.StartsWith(complaint, Assert.Throws<CheckpointException>(() => Manifest.Verify(_folder.Path)).Message,
            StringComparison.Ordinal);
}
