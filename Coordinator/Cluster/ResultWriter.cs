using Akka.Actor;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Cluster;

/// <summary>A run that failed; the message says why, in the user's words.</summary>
internal sealed class RunFailedException(string message) : Exception(message);

internal sealed record RunResult(byte[] State, int Workers, IReadOnlyList<GenerationStart> Generations, long StepsRedone);

/// <summary>The outcome of a run, ready to be written.</summary>
internal interface IRunOutcome
{
    /// <summary>Writes it durably, on any thread. Called again after a <see cref="StorageError"/> until it succeeds.</summary>
    void Write();

    /// <summary>Prints it, once it is written and the workers have left.</summary>
    void Tell();
}

// Writes the result of a run and repeats that while the disk is full. Until it is written, only this process and the workers hold it, so
// they stay. Used by the thread of the coordinator's actor, which receives the outcome as a notice.
internal sealed class ResultWriter(RunRecorder recorder, Func<RunResult, IRunOutcome>? outcome, IActorRef coordinator)
{
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private IRunOutcome? _outcome;
    private bool _hasFailed;

    public RunResult? Result { get; private set; }

    public void Collected(RunResult result)
    {
        if (Result is not null) return;
        (Result, _outcome) = (result, outcome?.Invoke(result));
    }

    public void Write() => Task.Run(() => _outcome?.Write()).PipeTo(coordinator,
        success: () => new CoordinatorNotice.ResultWritten(), failure: error => new CoordinatorNotice.ResultNotWritten(error));

    /// <returns>Why the job fails; null to try again after <see cref="Pause"/>.</returns>
    public string? Failed(Exception error)
    {
        if (!StorageError.Is(error)) return error is RunFailedException ? error.Message : $"the result cannot be written: {error.Message}";
        if (!_hasFailed)
            recorder.Happened(RunEventKind.Fault, $"the result cannot be written: {error.Message.TrimEnd('.')}. "
                + "The workers stay, and the coordinator tries again until it succeeds; Ctrl-C ends that");
        _hasFailed = true;
        return null;
    }
}
