using Akka.Actor;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// Has the result of a run written, again and again until there is space. Until then it is in this process and in the workers alone,
/// so that they are kept. Used by the thread of the coordinator's actor, which hears as a notice what became of it.
/// </summary>
/// <param name="outcome">Makes of the final state what is to be written; null to write nothing.</param>
internal sealed class ResultKeeper(RunRecorder recorder, Func<RunResult, IRunOutcome>? outcome, IActorRef coordinator)
{
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private IRunOutcome? _outcome;
    private bool _hasFailed;

    /// <summary>The result; null before it has come.</summary>
    public RunResult? Result { get; private set; }

    /// <summary>The final state has come. One that comes again is the same.</summary>
    public void Collected(RunResult result)
    {
        if (Result is not null) return;
        (Result, _outcome) = (result, outcome?.Invoke(result));
    }

    /// <summary>Writes it, beside the actor.</summary>
    public void Write() => Task.Run(() => _outcome?.Write()).PipeTo(coordinator,
        success: () => new CoordinatorNotice.ResultWritten(), failure: error => new CoordinatorNotice.ResultNotWritten(error));

    /// <summary>It could not be written.</summary>
    /// <returns>Why the job fails, in a user's words; null where it is tried again after <see cref="Pause"/>.</returns>
    public string? Failed(Exception error)
    {
        if (!StorageError.Is(error)) return error is RunFailedException ? error.Message : $"the result cannot be written: {error.Message}";
        if (!_hasFailed) recorder.Happened(RunEventKind.Fault, $"the result cannot be written: {error.Message.TrimEnd('.')}. The workers stay, and it is tried again until it succeeds; Ctrl-C ends that");
        _hasFailed = true;
        return null;
    }
}
