using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private const string Job = "task: classification\n";

    private readonly TemporaryFolder _folder = new();

    private string Root => _folder["checkpoints"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_state_reads_back_byte_for_byte()
    {
        var (store, state) = (Open(), State(3));
        var manifest = store.Save(Facts(10, 0.5), state, Nothing);
        Assert.Equal(state, store.Load(manifest));
        var again = Open();
        Assert.Equal((10, 11, 2, 0.5), again.Newest is { } newest ? (newest.Step, newest.Round, newest.Epoch, newest.TestMetric) : default);
        Assert.Equal(Job, File.ReadAllText(Path.Combine(Root, "step-000000010", "job.yaml")));
        Assert.Equal(new(0, 10), Core.Protocol.StateDigest.Parse(again.Newest!.Digest));
        Assert.Equal(state, again.Load(again.Newest!));
    }

    [Fact]
    public void The_newest_checkpoints_and_the_best_are_kept() =>
        Gen.Select(Gen.Int[1, 4], Gen.Double.Unit.Nullable().Array[1, 12]).Sample((keep, accuracies) =>
        {
            CheckpointStore.Clear(Root);
            var store = Open(keep);
            for (var i = 0; i < accuracies.Length; i++) store.Save(Facts(10 * (i + 1), accuracies[i]), State(i), Nothing);
            var measured = accuracies.Index().Where(a => a.Item is not null).ToList();
            int[] best = measured.Count == 0 ? [] : [measured.MaxBy(a => a.Item).Index];
            // The best checkpoint is never removed, so the best of the kept ones is the best of all.
            Assert.Equal(
                Enumerable.Range(0, accuracies.Length).TakeLast(keep).Union(best).Order().Select(i => $"step-{10 * (i + 1):D9}"),
                Directory.EnumerateDirectories(Root).Select(Path.GetFileName).Order());
            Assert.Equal(accuracies.Length * 10, store.Newest!.Step);
        }, iter: 20, threads: 1);

    [Fact]
    public void A_damaged_file_is_named_and_the_previous_checkpoint_is_used()
    {
        Open().Save(Facts(10, null), State(1), Nothing);
        Open().Save(Facts(20, null), State(2), Nothing);
        var files = Directory.GetFiles(Path.Combine(Root, "step-000000020"));
        Assert.Equal(4, files.Length);
        Gen.Select(Gen.Int[0, 3], Gen.Double.Unit, Gen.Bool).Sample((which, where, cut) =>
        {
            var bytes = File.ReadAllBytes(files[which]);
            var damaged = (byte[])bytes.Clone();
            var at = (int)(where * bytes.Length);
            if (cut) damaged = damaged[..at];
            else damaged[at] ^= 0x10;
            File.WriteAllBytes(files[which], damaged);
            var store = new CheckpointStore(Root, 3, Job, TimeProvider.System);
            var faults = store.Open();
            // A change of white space or of a digit in a manifest may go unnoticed, but never yields another state.
            // If the manifest lists another file name, that file is reported as missing.
            var named = Path.GetFileName(files[which]) == Manifest.FileName ? Path.GetDirectoryName(files[which])! : files[which];
            if (store.Newest!.Step == 10) Assert.Contains(named, Assert.Single(faults), StringComparison.Ordinal);
            else Assert.Equal(State(2), store.Load(store.Newest));
            File.WriteAllBytes(files[which], bytes);
        }, iter: 200, threads: 1);
    }

    [Fact]
    public void A_half_written_or_half_removed_checkpoint_is_not_reported_as_damaged()
    {
        var store = Open();
        store.Save(Facts(10, null), State(1), Nothing);
        foreach (var name in (string[])["step-000000020.tmp", "step-000000005-old.tmp"])
        {
            Directory.CreateDirectory(Path.Combine(Root, name));
            File.WriteAllText(Path.Combine(Root, name, "model.safetensors"), "half");
        }
        Directory.CreateDirectory(Path.Combine(Root, "mine"));
        Assert.Equal(10, Open().Newest!.Step);
        Assert.Equal(["mine", "step-000000010"], Directory.EnumerateDirectories(Root).Select(Path.GetFileName).Order());
        CheckpointStore.Clear(Root);
        Assert.Equal(["mine"], Directory.EnumerateDirectories(Root).Select(Path.GetFileName));
    }

    [Fact]
    public void A_repeated_step_replaces_the_former_checkpoint()
    {
        var store = Open();
        store.Save(Facts(10, null), State(1), Nothing);
        store.Save(Facts(10, null) with { Digest = new(1, 1) }, State(2), Nothing);
        Assert.Equal(State(2), Open().Load(Open().Newest!));
        Assert.Equal(["step-000000010"], Directory.EnumerateDirectories(Root).Select(Path.GetFileName));
    }

    [Fact]
    public void A_failed_save_leaves_the_other_checkpoints()
    {
        var store = Open();
        store.Save(Facts(10, null), State(1), Nothing);
        // A file blocks the name of the folder.
        File.WriteAllText(Path.Combine(Root, "step-000000020.tmp"), "");
        Assert.ThrowsAny<IOException>(() => store.Save(Facts(20, null), State(2), Nothing));
        Assert.Equal(10, store.Newest!.Step);
        Assert.Equal(State(1), store.Load(store.Newest));
    }

    [Fact]
    public void An_existing_checkpoint_of_the_same_state_is_not_written_again()
    {
        var store = Open();
        var first = store.Save(Facts(10, null), State(1), Nothing);
        Assert.Same(first, store.Save(Facts(10, null), State(1), () => Assert.Fail()));
    }

    [Fact]
    public void A_checkpoint_whose_rounds_cannot_be_flushed_never_gets_its_name()
    {
        var store = Open();
        Assert.Throws<IOException>(() => store.Save(Facts(10, null), State(1), () =>
        {
            Assert.Equal(["step-000000010.tmp"], Directory.EnumerateDirectories(Root).Select(Path.GetFileName));
            throw new IOException("the disk is broken");
        }));
        Assert.Empty(Directory.EnumerateDirectories(Root));
        Assert.Null(store.Newest);
    }

    [Fact]
    public void Checkpoints_that_are_set_aside_are_not_used_and_only_the_last_ones_stay()
    {
        var store = Open();
        foreach (var step in (int[])[10, 20, 30]) store.Save(Facts(step, null), State(step / 10), Nothing);
        store.SetAside([.. store.All.Where(checkpoint => checkpoint.Step > 10)]);
        Assert.Equal(10, store.Newest!.Step);
        Assert.Equal(10, Open().Newest!.Step);
        Assert.Equal(["step-000000010", "step-000000020.unrecorded", "step-000000030.unrecorded"],
            Directory.EnumerateDirectories(Root).Select(Path.GetFileName).Order());
        store.SetAside([.. store.All]);
        Assert.Equal(["step-000000010.unrecorded"], Directory.EnumerateDirectories(Root).Select(Path.GetFileName));
        CheckpointStore.Clear(Root);
        Assert.Empty(Directory.EnumerateDirectories(Root));
    }

    private static void Nothing()
    {
    }

    private CheckpointStore Open(int keep = 3)
    {
        var store = new CheckpointStore(Root, keep, Job, TimeProvider.System);
        Assert.Empty(store.Open());
        return store;
    }

    private static CheckpointFacts Facts(long step, double? accuracy)
    {
        var metric = new MetricValue(Metric.Accuracy, accuracy ?? double.NaN);
        var evaluation = new EpochResult { Epoch = 2, Step = step, TestLoss = 1, TestMetric = metric };
        return new(step, step + 1, 2, new(0, (ulong)step), accuracy is null ? null : evaluation);
    }

    private static byte[] State(int seed) => Safetensors.ToBytes(
    [
        new("model.b", "F32", [2, seed + 1], new byte[8 * (seed + 1)]),
        new("model.a", "I64", [], BitConverter.GetBytes((long)seed)),
        new("optimizer.moment", "F32", [3], BitConverter.GetBytes(1.5f).Concat(new byte[8]).ToArray()),
        new("optimizer.step_count", "I64", [], BitConverter.GetBytes(7L + seed)),
    ]);
}
