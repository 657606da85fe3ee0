using Distributed.Core.Planning;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// Follows a run: <see cref="RunRecorder"/> tells it what happens, one call at a time, in the order in which it happened.
/// What it is not interested in, it leaves out. A call must be short, as the run waits for it, and must not throw.
/// </summary>
internal interface IRunObserver
{
    /// <summary>A step that a coordinator before this one has recorded. All that is recalled is told before anything else, steps first.</summary>
    void Recalled(HistoryRow step)
    {
    }

    /// <summary>An evaluation that a coordinator before this one has recorded.</summary>
    void Recalled(EpochResult evaluation)
    {
    }

    /// <summary>An event that a coordinator before this one has recorded.</summary>
    void Recalled(RunEvent happened)
    {
    }

    void Opened(Rounds rounds)
    {
    }

    /// <summary>A step is applied; told once, however often it is done again.</summary>
    void Stepped(HistoryRow step)
    {
    }

    /// <summary>An evaluation is done; told once.</summary>
    void Evaluated(EpochResult evaluation)
    {
    }

    void Happened(RunEvent happened)
    {
    }

    /// <summary>Where the run stands; told several times a second while it changes.</summary>
    void Progressed(TrainingProgress progress)
    {
    }
}
