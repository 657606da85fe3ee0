using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Distributed.Coordinator.Runs;
using Distributed.Shared.Protocol;
using Distributed.Shared.Runs;
using Distributed.Shared.State;

namespace Distributed.Coordinator.Checkpoints;

/// <summary>What is known of a state that is to be stored.</summary>
/// <param name="Step">Steps that are applied.</param>
/// <param name="Round">Rounds that are.</param>
/// <param name="Epoch">Epochs that are begun.</param>
/// <param name="Digest">Of its parameters and buffers.</param>
/// <param name="Evaluation">What the parameters were worth, if that was just measured.</param>
public sealed record CheckpointFacts(long Step, long Round, int Epoch, StateDigest Digest, EpochResult? Evaluation);

/// <summary>
/// The checkpoints of a run: a folder each, which exists either whole or not at all. The newest few are kept, and the one
/// that did best on the test set. Changed by one caller at a time.
/// </summary>
/// <param name="root">The folder of the checkpoints.</param>
/// <param name="keep">How many of the newest are kept, at least 1.</param>
/// <param name="job">The resolved job file, which a checkpoint holds too: a run folder that is lost but for one can still be used.</param>
/// <param name="time">The clock.</param>
public sealed partial class CheckpointStore(string root, int keep, string job, TimeProvider time)
{
    private const string TemporaryEnding = ".tmp";

    private static readonly string _program = typeof(CheckpointStore).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private readonly byte[] _job = Encoding.UTF8.GetBytes(job);

    // The oldest first. Never changed, but replaced: it is looked at while another is being stored.
    private volatile Manifest[] _usable = [];

    /// <summary>The one with the most rounds; null where there is none. Read from any thread.</summary>
    public Manifest? Newest => _usable is [.., var newest] ? newest : null;

    /// <summary>The one that did best on the test set, the earliest of equals; null where none was measured. Read from any thread.</summary>
    public Manifest? Best => BestOf(_usable);

    /// <summary>The one of these that did best on the test set, the earliest of equals; null where none was measured.</summary>
    public static Manifest? BestOf(IEnumerable<Manifest> checkpoints) =>
        checkpoints.Where(m => m.TestMetric is not null).OrderByDescending(m => m.TestMetric).ThenBy(m => m.Round).FirstOrDefault();

    /// <summary>The folder of the checkpoint of a step.</summary>
    public static string FolderOf(string root, long step) => Path.Combine(root, string.Create(CultureInfo.InvariantCulture, $"step-{step:D9}"));

    /// <summary>The checkpoints in a folder that can be used; nothing is changed.</summary>
    public static IReadOnlyList<Manifest> Usable(string root) => [.. Look(root).Select(found => found.Usable).OfType<Manifest>()];

    /// <summary>Looks through what there is, and reads every byte of it. What was being written when its process was killed is removed.</summary>
    /// <returns>What cannot be used, and why; a line each.</returns>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public IReadOnlyList<string> Open()
    {
        _usable = [];
        if (!Directory.Exists(root)) return [];
        foreach (var folder in Directory.EnumerateDirectories(root).Where(folder => Unfinished().IsMatch(Path.GetFileName(folder))).ToList())
            Directory.Delete(folder, recursive: true);
        var found = Look(root).ToList();
        _usable = [.. found.Select(checkpoint => checkpoint.Usable).OfType<Manifest>().OrderBy(m => m.Round)];
        return [.. found.Select(checkpoint => checkpoint.Fault).OfType<string>().Select(fault => $"a checkpoint is skipped: {fault}")];
    }

    /// <summary>Stores a state, on the disk when this returns, and removes what need not be kept any more.</summary>
    /// <exception cref="IOException">The disk is full, or the folder is gone. What was there before still is.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    /// <exception cref="SafetensorsException">The bytes are no state.</exception>
    public Manifest Save(CheckpointFacts facts, ReadOnlyMemory<byte> state)
    {
        var parts = StateParts.Of(state);
        Directory.CreateDirectory(root);
        var final = FolderOf(root, facts.Step);
        var temporary = final + TemporaryEnding;
        Remove(temporary);
        try
        {
            Directory.CreateDirectory(temporary);
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
            manifest.Save(Path.Combine(temporary, CheckpointFolder.ManifestName));
            DurableFolder.Flush(temporary);
            // A step that is done again has the same state, or in an inexact job one as good.
            Remove(final);
            Directory.Move(temporary, final);
            DurableFolder.Flush(root);
            _usable = [.. _usable.Where(m => m.Step != facts.Step).Append(manifest).OrderBy(m => m.Round)];
            RemoveOld();
            return manifest;
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <summary>Reads a state, and checks every byte of it.</summary>
    /// <exception cref="CheckpointException">It is damaged; the message names what is.</exception>
    public byte[] Load(Manifest manifest)
    {
        var folder = FolderOf(root, manifest.Step);
        CheckpointFolder.Verify(folder);
        try
        {
            return new StateParts(Read(CheckpointFolder.ModelName), Read(CheckpointFolder.OptimizerName)).ToState();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or SafetensorsException)
        {
            throw new CheckpointException($"'{folder}' cannot be read: {error.Message}", error);
        }

        IReadOnlyList<TensorData> Read(string name)
        {
            using var stream = File.OpenRead(Path.Combine(folder, name));
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
        if (!Directory.Exists(root)) return;
        foreach (var folder in Directory.EnumerateDirectories(root).ToList())
            if (Finished().IsMatch(Path.GetFileName(folder)) || Unfinished().IsMatch(Path.GetFileName(folder))) Remove(folder);
    }

    private static IEnumerable<(Manifest? Usable, string? Fault)> Look(string root)
    {
        if (!Directory.Exists(root)) yield break;
        foreach (var folder in Directory.EnumerateDirectories(root).Where(folder => Finished().IsMatch(Path.GetFileName(folder))).Order(StringComparer.Ordinal).ToList())
        {
            (Manifest?, string?) found;
            try
            {
                found = (CheckpointFolder.Verify(folder), null);
            }
            catch (CheckpointException error)
            {
                found = (null, error.Message);
            }
            yield return found;
        }
    }

    private static CheckpointFile Write(string folder, string name, Action<Stream> write)
    {
        using var file = new FileStream(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.ReadWrite);
        write(file);
        file.Flush(flushToDisk: true);
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

    /// <summary>Under another name first, so that what is left of it when this is interrupted is not taken for damage.</summary>
    private static void Remove(string folder)
    {
        if (!Directory.Exists(folder)) return;
        var doomed = folder.EndsWith(TemporaryEnding, StringComparison.Ordinal) ? folder : folder + TemporaryEnding;
        if (doomed != folder)
        {
            if (Directory.Exists(doomed)) Directory.Move(folder, doomed = $"{folder}-old{TemporaryEnding}");
            else Directory.Move(folder, doomed);
        }
        Directory.Delete(doomed, recursive: true);
    }

    [GeneratedRegex(@"\Astep-\d+\z")]
    private static partial Regex Finished();

    [GeneratedRegex(@"\Astep-\d+(-old)?\.tmp\z")]
    private static partial Regex Unfinished();
}
