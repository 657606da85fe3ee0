using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Commands;

internal sealed record CheckpointInspection : IInspection
{
    public string Kind => "checkpoint";

    public required string Folder { get; init; }

    /// <summary>What it is of; null where that cannot be read.</summary>
    public Manifest? Manifest { get; init; }

    public required IReadOnlyList<string> Damage { get; init; }

    /// <summary>Reads every byte of a checkpoint.</summary>
    public static CheckpointInspection Read(string folder)
    {
        try
        {
            var manifest = Manifest.Load(Path.Combine(folder, CheckpointFolder.ManifestName));
            return new() { Folder = folder, Manifest = manifest, Damage = [.. CheckpointFolder.Faults(folder, manifest)] };
        }
        catch (CheckpointException error)
        {
            return new() { Folder = folder, Damage = [error.Message] };
        }
    }
}
