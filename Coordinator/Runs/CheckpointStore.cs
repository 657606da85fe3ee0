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

/// <summary>What is known of a state that is to be stored.</summary>
/// <param name="Evaluation">What the parameters were worth, if that was just measured.</param>
internal sealed record CheckpointFacts(long Step, long Round, int Epoch, StateDigest Digest, EpochResult? Evaluation);

/// <summary>
/// The checkpoints of a run: a folder each, which exists either whole or not at all. The newest few are kept, and the one
/// that did best on the test set. Changed by one caller at a time.
/// </summary>
/// <param name="keep">How many of the newest are kept, at least 1.</param>
/// <param name="job">The resolved job file, which a checkpoint holds too: a run folder that is lost but for one can still be used.</param>
/// <param name="files">Where the folder is; null for this machine.</param>
internal sealed partial class CheckpointStore(string root, int keep, string job, TimeProvider time, IFileSystem? files = null)
{
    /// <summary>Ends the name of a checkpoint whose rounds are not recorded.</summary>
    private const string AsideEnding = ".unrecorded";

    private static readonly string _program = typeof(CheckpointStore).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private readonly byte[] _job = Encoding.UTF8.GetBytes(job);
    private readonly IFileSystem _files = files ?? LocalDisk.Instance;

    // The oldest first. Never changed, but replaced: it is looked at while another is being stored.
    private volatile Manifest[] _usable = [];
    private bool _isRootFlushed;

    /// <summary>The one with the most rounds; null where there is none. Read from any thread.</summary>
    public Manifest? Newest => _usable is [.., var newest] ? newest : null;

    /// <summary>The one that did best on the test set, the earliest of equals; null where none was measured. Read from any thread.</summary>
    public Manifest? Best => BestOf(_usable);

    /// <summary>The one of these that did best on the test set, the earliest of equals; null where none was measured.</summary>
    public static Manifest? BestOf(IEnumerable<Manifest> checkpoints) =>
        checkpoints.Where(m => m.TestMetric is not null).OrderByDescending(m => m.TestMetric).ThenBy(m => m.Round).FirstOrDefault();

    public static string FolderOf(string root, long step) => Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"step-{step:D9}"));

    /// <summary>The checkpoints in a folder that can be used; nothing is changed.</summary>
    public static IReadOnlyList<Manifest> Usable(string root) => [.. Look(LocalDisk.Instance, root).Select(found => found.Usable).OfType<Manifest>()];

    /// <summary>All that can be used, the oldest first. Read from any thread.</summary>
    public IReadOnlyList<Manifest> All => _usable;

    /// <summary>Looks through what there is, reads every byte of it, and makes durable what is found. What was being written when its process was killed is removed.</summary>
    /// <returns>What cannot be used, and why; a line each.</returns>
    /// <exception cref="IOException">The folder cannot be read, or not be flushed.</exception>
    public IReadOnlyList<string> Open()
    {
        _usable = [];
        foreach (var folder in _files.FoldersIn(root).Where(folder => Unfinished().IsMatch(Path.GetFileName(folder)))) _files.DeleteFolder(folder);
        var found = Look(_files, root).ToList();
        _usable = [.. found.Select(checkpoint => checkpoint.Usable).OfType<Manifest>().OrderBy(m => m.Round)];
        // A process that was killed may have given a checkpoint its name without flushing it: a power cut would take it away again.
        if (_usable.Length > 0)
        {
            MakeRoot();
            _files.FlushFolder(root);
        }
        return [.. found.Select(checkpoint => checkpoint.Fault).OfType<string>().Select(fault => $"a checkpoint is skipped: {fault}")];
    }

    /// <summary>
    /// Takes checkpoints out of use whose rounds are not recorded, so that none of them is ever mistaken for a state of this run. They
    /// stay on the disk under other names, until others take their place or the run is replaced.
    /// </summary>
    /// <exception cref="IOException">They cannot be renamed.</exception>
    /// <exception cref="UnauthorizedAccessException">They may not be renamed.</exception>
    public void SetAside(IReadOnlyCollection<Manifest> unrecorded)
    {
        if (unrecorded.Count == 0) return;
        foreach (var old in _files.FoldersIn(root).Where(folder => Aside().IsMatch(Path.GetFileName(folder)))) _files.DeleteFolder(old);
        foreach (var manifest in unrecorded)
        {
            var folder = FolderOf(root, manifest.Step);
            _files.MoveFolder(folder, folder + AsideEnding);
            Forget(manifest);
        }
        _files.FlushFolder(root);
    }

    /// <summary>Stores a state, on the disk when this returns, and removes what need not be kept any more.</summary>
    /// <param name="flushRecords">Returns when all that the checkpoint depends on is on the disk: the steps and evaluations up to it.</param>
    /// <exception cref="IOException">The disk is full, or the folder is gone. What was there before still is.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <exception cref="SafetensorsException">The bytes are no state.</exception>
    public Manifest Save(CheckpointFacts facts, ReadOnlyMemory<byte> state, Action flushRecords)
    {
        // A state that is computed again after a fall-back: to replace it would leave a moment without either.
        if (_usable.FirstOrDefault(m => m.Step == facts.Step && m.Round == facts.Round && m.Digest == facts.Digest.ToString()) is { } same) return same;
        var parts = StateParts.Of(state);
        MakeRoot();
        var final = FolderOf(root, facts.Step);
        var temporary = final + AtomicFile.TemporaryEnding;
        Remove(temporary);
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
                    Write(temporary, CheckpointFolder.ModelName, file => Safetensors.Write(file, [.. parts.Model])),
                    Write(temporary, CheckpointFolder.OptimizerName, file => Safetensors.Write(file, [.. parts.Optimizer])),
                    Write(temporary, RunFiles.Job, file => file.Write(_job)),
                ],
            };
            manifest.Save(Path.Combine(temporary, CheckpointFolder.ManifestName), _files);
            _files.FlushFolder(temporary);
            // A checkpoint that is on the disk without the rounds before it could never be resumed from.
            flushRecords();
            // A step that is done again has the same state, or in an inexact job one as good.
            Remove(final);
            _files.MoveFolder(temporary, final);
            _files.FlushFolder(root);
            _usable = [.. _usable.Where(m => m.Step != facts.Step).Append(manifest).OrderBy(m => m.Round)];
            RemoveOld();
            return manifest;
        }
        catch
        {
            Discard(temporary);
            throw;
        }
    }

    /// <summary>Reads a state, and checks every byte of it.</summary>
    /// <exception cref="CheckpointException">It is damaged; the message names what is.</exception>
    public byte[] Load(Manifest manifest)
    {
        var folder = FolderOf(root, manifest.Step);
        CheckpointFolder.Verify(folder, _files);
        try
        {
            return new StateParts(Read(CheckpointFolder.ModelName), Read(CheckpointFolder.OptimizerName)).ToState();
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

    /// <summary>Leaves a checkpoint out from now on, as it cannot be read.</summary>
    public void Forget(Manifest manifest) => _usable = [.. _usable.Where(m => m != manifest)];

    /// <summary>Removes all checkpoints from a folder, and nothing else.</summary>
    /// <exception cref="IOException">They cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">They may not be removed.</exception>
    public static void Clear(string root)
    {
        foreach (var folder in LocalDisk.Instance.FoldersIn(root))
        {
            var name = Path.GetFileName(folder);
            if (Finished().IsMatch(name) || Unfinished().IsMatch(name) || Aside().IsMatch(name)) Remove(LocalDisk.Instance, folder);
        }
    }

    private static IEnumerable<(Manifest? Usable, string? Fault)> Look(IFileSystem files, string root)
    {
        foreach (var folder in files.FoldersIn(root).Where(folder => Finished().IsMatch(Path.GetFileName(folder))).Order(StringComparer.Ordinal))
        {
            (Manifest?, string?) found;
            try
            {
                var manifest = CheckpointFolder.Verify(folder, files);
                found = Path.GetFileName(FolderOf(root, manifest.Step)) == Path.GetFileName(folder) ? (manifest, null)
                    : (null, $"'{Path.Combine(folder, CheckpointFolder.ManifestName)}' is damaged: it is of step {manifest.Step}, which its folder is not");
            }
            catch (CheckpointException error)
            {
                found = (null, error.Message);
            }
            yield return found;
        }
    }

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
            Remove(FolderOf(root, old.Step));
            Forget(old);
        }
    }

    /// <summary>What went wrong before is what the caller has to hear of; the next start removes what is left.</summary>
    private void Discard(string temporary)
    {
        try
        {
            Remove(temporary);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
        }
    }

    private void Remove(string folder) => Remove(_files, folder);

    /// <summary>Under another name first, so that what is left of it when this is interrupted is not taken for damage.</summary>
    private static void Remove(IFileSystem files, string folder)
    {
        if (!files.FolderExists(folder)) return;
        var doomed = folder.EndsWith(AtomicFile.TemporaryEnding, StringComparison.Ordinal) ? folder : folder + AtomicFile.TemporaryEnding;
        if (doomed != folder)
        {
            if (files.FolderExists(doomed)) files.MoveFolder(folder, doomed = $"{folder}-old{AtomicFile.TemporaryEnding}");
            else files.MoveFolder(folder, doomed);
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
