namespace Distributed.Coordinator.Commands;

/// <summary>What a file or folder holds. As JSON, its members are what <c>inspect --json</c> writes.</summary>
internal interface IInspection
{
    /// <summary>safetensors, checkpoint or run.</summary>
    string Kind { get; }

    /// <summary>What is wrong with it, a text each that names the file; none where all is whole.</summary>
    IReadOnlyList<string> Damage { get; }
}
