namespace Distributed.Worker.Natives;

/// <summary>There is no libtorch that this worker can compute with.</summary>
/// <param name="message">One line: what was found and where, what is allowed, what to do.</param>
internal sealed class LibtorchException(string message) : Exception(message);
