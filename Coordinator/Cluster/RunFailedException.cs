namespace Distributed.Coordinator.Cluster;

/// <summary>A run that could not be finished; the message says why, in a user's words.</summary>
internal sealed class RunFailedException(string message) : Exception(message);
