namespace Distributed.Bench.Processes;

/// <summary>A figure could not be had; the message says why, with what a failed process wrote.</summary>
internal sealed class BenchException(string message) : Exception(message);
