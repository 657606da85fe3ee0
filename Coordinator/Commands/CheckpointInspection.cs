using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>The content of a file or folder. Its members are the JSON that <c>inspect --json</c> writes.</summary>
internal interface IInspection
{
    /// <summary>safetensors, checkpoint or run.</summary>
    string Kind { get; }
    /// <summary>One text for each fault, which names the file; empty if there is none.</summary>
    IReadOnlyList<string> Damage { get; }
}

internal sealed record CheckpointInspection : IInspection
{
    public string Kind => "checkpoint";
    public required string Folder { get; init; }
    public Manifest? Manifest { get; init; } // Null if it cannot be read
    public required IReadOnlyList<string> Damage { get; init; }

    public static CheckpointInspection Read(string folder)
    {
        try
        {
            var manifest = Manifest.Load(Path.Combine(folder, Manifest.FileName));
            return new() { Folder = folder, Manifest = manifest, Damage = [.. manifest.Faults(folder)] };
        }
        catch (CheckpointException error)
        {
            return new() { Folder = folder, Damage = [error.Message] };
        }
    }
}
