namespace Distributed.Worker.Cluster;

/// <summary>How a worker ended, or how a part of its life did.</summary>
/// <param name="ExitCode">0 done, 1 failed.</param>
/// <param name="MayReturn">Whether it is to offer itself again, as another node of the cluster.</param>
/// <param name="Session">What it holds of the job then; null where it comes as a newcomer.</param>
/// <param name="TookPart">Whether a coordinator had taken it in.</param>
/// <param name="WasRefused">Whether the coordinator has turned it away, rather than got lost.</param>
internal sealed record WorkerEnd(
    int ExitCode, string Reason, bool MayReturn = false, WorkerSession? Session = null, bool TookPart = false, bool WasRefused = false);
