namespace Distributed.Bench.Processes;

/// <summary>A measurement failed; the message includes the error output of a failed process.</summary>
internal sealed class BenchException(string message) : Exception(message);
