using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Checkpoints;

public sealed class ManifestTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File => _folder[Manifest.FileName];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0.125, 0.9)]
    [InlineData(double.NaN, 0.0)]
    [InlineData(null, null)]
    public void A_manifest_reads_back_the_same(double? loss, double? metric)
    {
        var saved = SavedCheckpoint.Example with { TestLoss = loss, TestMetric = metric };
        saved.Save(File);
        var loaded = Manifest.Load(File);
        Assert.Equal(saved.Files, loaded.Files);
        Assert.Equal(saved with { Files = [] }, loaded with { Files = [] });
        Assert.Equal([Manifest.FileName], Directory.EnumerateFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void The_property_names_are_those_of_the_format()
    {
        SavedCheckpoint.Example.Save(File);
        Assert.Equal(
            """
            {
              "version": 2,
              "step": 460,
              "round": 480,
              "epoch": 20,
              "digest": "0123456789abcdef0123456789abcdef",
              "test_loss": 0.125,
              "metric": "accuracy",
              "test_metric": 0.9,
              "saved_at": "2026-05-04T03:02:01+00:00",
              "job_sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "program": "1.0",
              "files": [
                {
                  "name": "model.safetensors",
                  "bytes": 3,
                  "sha256": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                },
                {
                  "name": "optimizer.safetensors",
                  "bytes": 0,
                  "sha256": "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
                }
              ]
            }
            """, System.IO.File.ReadAllText(File), ignoreLineEndingDifferences: true);
    }

    [Theory]
    [InlineData("\"version\": 2", "\"version\": 1", "is of version 1; this program reads version 2")]
    [InlineData("\"step\": 460", "\"step\": -1", "step is -1; allowed: 0 or more")]
    [InlineData("\"step\": 460", "\"step\": 1.5", "damaged: ")]
    [InlineData("\"step\": 460,", "", "'step'")]
    [InlineData("\"step\": 460", "\"step\": 460, \"step\": 461", "'step'")]
    [InlineData("\"round\": 480", "\"round\": -7", "round is -7")]
    [InlineData("\"epoch\": 20", "\"epoch\": -1", "epoch is -1")]
    [InlineData("0123456789abcdef0123456789abcdef", "xyz", "digest is 'xyz'")]
    [InlineData("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef0", "allowed: 32 lower-case hexadecimal digits")]
    [InlineData("\"test_metric\": 0.9", "\"test_metric\": \"good\"", "damaged: ")]
    [InlineData("\"digest\": \"0123456789abcdef0123456789abcdef\"", "\"digest\": null", "'digest'")]
    [InlineData("aaaa", "A", "job_sha256 is 'A")]
    [InlineData("\"bytes\": 3", "\"bytes\": -3", "model.safetensors has -3 bytes")]
    [InlineData("bbbb", "b", "sha256 of model.safetensors is 'b")]
    [InlineData("optimizer.safetensors", "../optimizer.safetensors", "'../optimizer.safetensors'; allowed: the name of a file beside it")]
    [InlineData("optimizer.safetensors", "", "''; allowed")]
    [InlineData("optimizer.safetensors", "..", "'..'; allowed")]
    [InlineData("optimizer.safetensors", "manifest.json", "'manifest.json'; allowed")]
    [InlineData("optimizer.safetensors", "model.safetensors", "it lists 'model.safetensors' twice")]
    [InlineData("\"files\": [", "\"files\": [null, ", "null for a file")]
    [InlineData("\"program\": \"1.0\"", "\"program\": \"\\ud800\"", "damaged: ")]
    [InlineData("}", "", "damaged: ")]
    public void An_impossible_value_is_refused_with_the_file_and_the_fault(string right, string wrong, string complaint)
    {
        SavedCheckpoint.Example.Save(File);
        System.IO.File.WriteAllText(File, System.IO.File.ReadAllText(File).Replace(right, wrong, StringComparison.Ordinal));
        var message = Assert.Throws<CheckpointException>(() => Manifest.Load(File)).Message;
        Assert.StartsWith($"'{File}' is ", message, StringComparison.Ordinal);
        Assert.Contains(complaint, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"version\": 2}")]
    [InlineData("{\"version\": null}")]
    public void Malformed_text_is_refused(string text)
    {
        System.IO.File.WriteAllText(File, text);
        Assert.StartsWith($"'{File}' is damaged: ", Assert.Throws<CheckpointException>(() => Manifest.Load(File)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_or_too_large_manifest_is_refused_unread()
    {
        Assert.Equal($"'{File}' does not exist: the checkpoint is not complete",
            Assert.Throws<CheckpointException>(() => Manifest.Load(File)).Message);
        using (var file = System.IO.File.Create(File)) file.SetLength(Manifest.MaxBytes + 1);
        Assert.Equal($"'{File}' has {Manifest.MaxBytes + 1} bytes; a manifest has at most {Manifest.MaxBytes}",
            Assert.Throws<CheckpointException>(() => Manifest.Load(File)).Message);
    }

    [Fact]
    public void A_damaged_manifest_is_loaded_or_refused()
    {
        SavedCheckpoint.Example.Save(File);
        var whole = System.IO.File.ReadAllBytes(File);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 3].Sample(damage =>
        {
            var bytes = (byte[])whole.Clone();
            foreach (var (at, value) in damage) bytes[at] = value;
            System.IO.File.WriteAllBytes(File, bytes);
            try
            {
                Manifest.Load(File);
            }
            catch (CheckpointException)
            {
            }
        }, iter: 1000, threads: 1);
    }
}
