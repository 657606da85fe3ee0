using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Checkpoints;

public sealed class CheckpointFolderTests : IDisposable
{
    private static readonly (string Name, byte[] Bytes)[] _files =
        [(CheckpointFolder.ModelName, [1, 2, 3, 4]), (CheckpointFolder.OptimizerName, []), ("extra", [5])];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_whole_one_is_what_its_manifest_says()
    {
        var saved = SavedCheckpoint.In(_folder.Path, _files);
        Assert.Equal(saved.Files, CheckpointFolder.Verify(_folder.Path).Files);
        File.WriteAllText(_folder["notes.txt"], "Files that it does not list are none of its business.");
        Assert.Equal(saved.Step, CheckpointFolder.Verify(_folder.Path).Step);
    }

    [Fact]
    public void Any_changed_byte_is_found() => Gen.Select(Gen.Byte.Array[1, 2000], Gen.Byte[1, 255], Gen.Double[0, 0.9999]).Sample((bytes, change, at) =>
    {
        SavedCheckpoint.In(_folder.Path, (CheckpointFolder.ModelName, bytes), (CheckpointFolder.OptimizerName, [9]));
        bytes[(int)(at * bytes.Length)] ^= change;
        File.WriteAllBytes(_folder[CheckpointFolder.ModelName], bytes);
        Refused($"'{_folder[CheckpointFolder.ModelName]}' is damaged: its SHA-256 is ");
    }, iter: 50, threads: 1);

    [Fact]
    public void Every_damaged_file_is_named()
    {
        SavedCheckpoint.In(_folder.Path, _files);
        File.Delete(_folder[CheckpointFolder.OptimizerName]);
        File.WriteAllBytes(_folder["extra"], [5, 6]);
        Refused($"'{_folder[CheckpointFolder.OptimizerName]}' is missing");
        Assert.Equal(
            [$"'{_folder[CheckpointFolder.OptimizerName]}' is missing", $"'{_folder["extra"]}' has 2 bytes; its manifest says 1"],
            CheckpointFolder.Faults(_folder.Path, Manifest.Load(_folder[CheckpointFolder.ManifestName])));
    }

    [Fact]
    public void One_without_its_manifest_or_a_needed_file_is_refused()
    {
        SavedCheckpoint.In(_folder.Path, _files[0]);
        Refused($"'{_folder[CheckpointFolder.ManifestName]}' is damaged: it lists no {CheckpointFolder.OptimizerName}");
        File.Delete(_folder[CheckpointFolder.ManifestName]);
        Refused($"'{_folder[CheckpointFolder.ManifestName]}' does not exist: the checkpoint is not complete");
    }

    private void Refused(string complaint) =>
        Assert.StartsWith(complaint, Assert.Throws<CheckpointException>(() => CheckpointFolder.Verify(_folder.Path)).Message, StringComparison.Ordinal);
}
