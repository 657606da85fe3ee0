using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Distributed.Coordinator.Storage;
using Distributed.Core.Protocol;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Runs;

// The checkpoints of a run, each in its own folder that exists completely or not at all. Keeps the newest ones and the one with the best
// test metric. Properties are safe on every thread; the methods without Async need one caller at a time.
internal sealed partial class CheckpointStore(string root, int keep, string job, TimeProvider time, IFileSystem? files = null)
{
    private const string AsideEnding = ".unrecorded"; // Ends the folder name of a checkpoint whose rounds are not recorded.

    private static readonly string _program =
        typeof(CheckpointStore).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private readonly byte[] _job = Encoding.UTF8.GetBytes(job);
    private readonly IFileSystem _files = files ?? LocalDisk.Instance;
    private readonly SemaphoreSlim _gate = new(1);

    // Oldest first. Replaced, never changed, since other threads read it.
    private volatile Manifest[] _usable = [];
    private bool _isRootFlushed;

    public IReadOnlyList<Manifest> All => _usable; // The usable checkpoints, oldest first.
    public Manifest? Newest => _usable is [.., var newest] ? newest : null;
    public StoredState? NewestState => Newest?.ToState(); // The newest checkpoint as ClusterProtocol knows it.
    public Manifest? Best => BestOf(_usable);

    /// <summary>The checkpoint with the best test metric, the earliest of equals; null if none was evaluated.</summary>
    public static Manifest? BestOf(IEnumerable<Manifest> checkpoints) =>
        checkpoints.Where(m => m.TestMetric is not null).OrderByDescending(m => m.TestMetric).ThenBy(m => m.Round).FirstOrDefault();

    public static string FolderOf(string root, long step) =>
        Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"step-{step:D9}"));

    public static IReadOnlyList<Manifest> Usable(string root) =>
        [.. Inspect(LocalDisk.Instance, root).Select(found => found.Usable).OfType<Manifest>()];

    public IReadOnlyList<string> Open()
    {
        _usable = [];
        foreach (var folder in FoldersLike(_files, root, Unfinished())) _files.DeleteFolder(folder);
        var found = Inspect(_files, root).ToList();
        _usable = [.. found.Select(checkpoint => checkpoint.Usable).OfType<Manifest>().OrderBy(m => m.Round)];
        // A killed process may have renamed a checkpoint without flushing the name; a power cut would undo that.
        if (_usable.Length > 0)
        {
            MakeRoot();
            _files.FlushFolder(root);
        }
        return [.. found.Select(checkpoint => checkpoint.Fault).OfType<string>().Select(fault => $"a checkpoint is skipped: {fault}")];
    }

    /// <summary>Renames checkpoints whose rounds are not recorded, so that they are never used as states of this run.</summary>
    public void SetAside(IReadOnlyCollection<Manifest> unrecorded)
    {
        if (unrecorded.Count == 0) return;
        foreach (var old in FoldersLike(_files, root, Aside())) _files.DeleteFolder(old);
        foreach (var manifest in unrecorded)
        {
            var folder = FolderOf(root, manifest.Step);
            _files.MoveFolder(folder, folder + AsideEnding);
            Forget(manifest);
        }
        _files.FlushFolder(root);
    }

    public Task<Manifest> SaveAsync(CheckpointFacts facts, byte[] state, Action flushRecords) =>
        RunAsync(() => Save(facts, state, flushRecords));

    public Task<byte[]> LoadAsync(StoredState state) => RunAsync(() => Load(state));
    public Task WhenIdleAsync() => RunAsync(() => 0);

    /// <summary>Runs work that waits for the disk on a thread of the pool, one piece of work at a time.</summary>
    public async Task<T> RunAsync<T>(Func<T> work)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            return await Task.Run(work).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Stores a state durably, then removes old checkpoints. After a failure the earlier checkpoints remain.</summary>
    public Manifest Save(CheckpointFacts facts, ReadOnlyMemory<byte> state, Action flushRecords)
    {
        // A state that was recomputed after a rollback: replacing it would leave a moment without either copy.
        if (_usable.FirstOrDefault(m => m.Step == facts.Step && m.Round == facts.Round && m.Digest == facts.Digest.ToString()) is { } same)
            return same;
        var parts = StateParts.Of(state);
        MakeRoot();
        var final = FolderOf(root, facts.Step);
        var temporary = final + AtomicFile.TemporaryEnding;
        Remove(_files, temporary);
        try
        {
            _files.CreateFolder(temporary);
            var manifest = new Manifest
            {
                Version = Manifest.CurrentVersion,
                Step = facts.Step,
                Round = facts.Round,
                Epoch = facts.Epoch,
                Digest = facts.Digest.ToString(),
                TestLoss = facts.Evaluation?.TestLoss,
                Metric = facts.Evaluation?.TestMetric.Metric.Name,
                TestMetric = facts.Evaluation?.TestMetric.Value,
                SavedAt = time.GetUtcNow(),
                JobSha256 = Convert.ToHexStringLower(SHA256.HashData(_job)),
                Program = _program,
                Files =
                [
                    Write(temporary, Manifest.ModelName, file => Safetensors.Write(file, [.. parts.Model])),
                    Write(temporary, Manifest.OptimizerName, file => Safetensors.Write(file, [.. parts.Optimizer])),
                    Write(temporary, RunFiles.Job, file => file.Write(_job)),
                ],
            };
            manifest.Save(Path.Combine(temporary, Manifest.FileName), _files);
            _files.FlushFolder(temporary);
            // A run cannot resume from a checkpoint whose rounds are not on the disk.
            flushRecords();
            // A repeated step has the same state, or an equally good one in an inexact job.
            Remove(_files, final);
            _files.MoveFolder(temporary, final);
            _files.FlushFolder(root);
            _usable = [.. _usable.Where(m => m.Step != facts.Step).Append(manifest).OrderBy(m => m.Round)];
            RemoveOld();
            return manifest;
        }
        catch
        {
            // The next start removes what is left.
            StorageError.Ignore(() => Remove(_files, temporary));
            throw;
        }
    }

    public byte[] Load(Manifest manifest)
    {
        var folder = FolderOf(root, manifest.Step);
        Manifest.Verify(folder, _files);
        try
        {
            return new StateParts(Read(Manifest.ModelName), Read(Manifest.OptimizerName)).ToState();
        }
        catch (Exception error) when (StorageError.Is(error) || error is SafetensorsException)
        {
            throw new CheckpointException($"'{folder}' cannot be read: {error.Message}", error);
        }

        IReadOnlyList<TensorData> Read(string name)
        {
            using var stream = _files.OpenRead(Path.Combine(folder, name));
            return Safetensors.Read(stream).Tensors;
        }
    }

    /// <summary>Reads the state that the workers expect, which need not be the newest any more. A damaged one is not used again.</summary>
    public byte[] Load(StoredState state)
    {
        var wanted = _usable.FirstOrDefault(stored => stored.ToState() == state)
            ?? throw new CheckpointException($"the checkpoint of {state.Applied} rounds is not there any more");
        try
        {
            return Load(wanted);
        }
        catch (CheckpointException)
        {
            Forget(wanted);
            throw;
        }
    }

    public static void Clear(string root)
    {
        var disk = LocalDisk.Instance;
        foreach (var kind in (Regex[])[Finished(), Unfinished(), Aside()])
            foreach (var folder in FoldersLike(disk, root, kind)) Remove(disk, folder);
    }

    private static IEnumerable<string> FoldersLike(IFileSystem files, string root, Regex name) =>
        files.FoldersIn(root).Where(folder => name.IsMatch(Path.GetFileName(folder)));

    private static IEnumerable<(Manifest? Usable, string? Fault)> Inspect(IFileSystem files, string root)
    {
        return FoldersLike(files, root, Finished()).Order(StringComparer.Ordinal).Select(Read);

        (Manifest?, string?) Read(string folder)
        {
            try
            {
                var manifest = Manifest.Verify(folder, files);
                return Path.GetFileName(FolderOf(root, manifest.Step)) == Path.GetFileName(folder) ? (manifest, null)
                    : (null, $"'{Path.Combine(folder, Manifest.FileName)}' is damaged: "
                        + $"it is of step {manifest.Step}, which its folder is not");
            }
            catch (CheckpointException error)
            {
                return (null, error.Message);
            }
        }
    }

    private void Forget(Manifest manifest) => _usable = [.. _usable.Where(m => m != manifest)];

    private void MakeRoot()
    {
        if (_isRootFlushed) return;
        if (!_files.FolderExists(root)) _files.CreateFolder(root);
        _files.FlushFolder(Path.GetDirectoryName(root)!);
        _isRootFlushed = true;
    }

    private CheckpointFile Write(string folder, string name, Action<Stream> write)
    {
        using var file = _files.OpenWrite(Path.Combine(folder, name), isNew: true);
        AtomicFile.Fill(_files, file, write);
        file.Position = 0;
        return new() { Name = name, Bytes = file.Length, Sha256 = Convert.ToHexStringLower(SHA256.HashData(file)) };
    }

    private void RemoveOld()
    {
        var best = Best;
        foreach (var old in _usable.SkipLast(keep).Where(m => m != best).ToList())
        {
            Remove(_files, FolderOf(root, old.Step));
            Forget(old);
        }
    }

    // Renames the folder first, so that a half-removed checkpoint is not reported as damaged.
    private static void Remove(IFileSystem files, string folder)
    {
        if (!files.FolderExists(folder)) return;
        var doomed = folder;
        if (!folder.EndsWith(AtomicFile.TemporaryEnding, StringComparison.Ordinal))
        {
            doomed = folder + AtomicFile.TemporaryEnding;
            if (files.FolderExists(doomed)) doomed = $"{folder}-old{AtomicFile.TemporaryEnding}";
            files.MoveFolder(folder, doomed);
        }
        files.DeleteFolder(doomed);
    }

    [GeneratedRegex(@"\Astep-\d+\z")]
    private static partial Regex Finished();

    [GeneratedRegex(@"\Astep-\d+(-old)?\.tmp\z")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"\Astep-\d+\.unrecorded\z")]
    private static partial Regex Aside();
}
