using System.Collections.Concurrent;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

/// <summary>
/// Keeps the steps, evaluations and events of a run, including recalled ones. Events can be read from any thread.
/// </summary>
internal sealed class RecordedRun : IRunObserver
{
    public List<HistoryRow> Steps { get; } = [];

    public List<EpochResult> Evaluations { get; } = [];

    public ConcurrentQueue<RunEvent> Events { get; } = new();

    public void Recalled(HistoryRow step) => Steps.Add(step);

    public void Recalled(EpochResult evaluation) => Evaluations.Add(evaluation);

    public void Stepped(HistoryRow step) => Steps.Add(step);

    public void Happened(RunEvent happened) => Events.Enqueue(happened);

    public void Evaluated(EpochResult evaluation) => Evaluations.Add(evaluation);
}
