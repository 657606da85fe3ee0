using Distributed.Core.Planning;

namespace Distributed.Coordinator.Runs;

// Observes a run. RunRecorder makes one call at a time, in the order of the events. The run waits for each call, so it must
// be short; an observer that throws is not called again.
internal interface IRunObserver
{
    /// <summary>A step that an earlier coordinator has recorded. All records are recalled before anything else, steps first.</summary>
    void Recalled(HistoryRow step) { }
    void Recalled(EpochResult evaluation) { }
    void Recalled(RunEvent happened) { }
    void Opened(Rounds rounds) { }

    /// <summary>A step is applied. Reported once, even if the step is repeated later; so are evaluations.</summary>
    void Stepped(HistoryRow step) { }
    void Evaluated(EpochResult evaluation) { }
    void Happened(RunEvent happened) { }
    void Progressed(TrainingProgress progress) { }
}
