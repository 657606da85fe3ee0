namespace Distributed.Coordinator.Runs;

/// <summary>A run folder that cannot be used. The message is for the user: what was found, and what to do.</summary>
internal sealed class RunFolderException(string message, Exception? cause = null) : Exception(message, cause);
