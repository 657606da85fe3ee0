namespace Distributed.Coordinator.Runs;

/// <summary>A checkpoint that cannot be used. The message, for the user, names the file and what is wrong with it.</summary>
internal sealed class CheckpointException(string message, Exception? cause = null) : Exception(message, cause);
