namespace Distributed.Coordinator.Cluster;

/// <summary>The end of a worker's process on this machine.</summary>
/// <param name="ExitCode">As the operating system gives it; on Unix 128 + the number of the signal that killed it.</param>
/// <param name="LogPath">Where everything it wrote is.</param>
/// <param name="LastError">
/// Why it ended, for the user: the last line it wrote that begins with <c>error:</c>, without that, and the signal that killed
/// it; null when there is neither.
/// </param>
/// <param name="Stopping">Whether this coordinator had told it to end.</param>
internal sealed record LocalWorkerExit(string Name, int ExitCode, string LogPath, string? LastError, bool Stopping);
