namespace Distributed.Coordinator.Chaos;

/// <summary>A chaos check could not be carried to its end. The message says why, ready to be shown to the user.</summary>
/// <param name="exitCode">1: it failed; 2: bad input.</param>
internal sealed class ChaosException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
