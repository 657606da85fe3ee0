using Distributed.Coordinator.Storage;
using Distributed.Core.Scores;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// The files of a run that grow line by line: <c>history.csv</c>, <c>evaluations.csv</c> and <c>events.jsonl</c>. To add a line never
/// fails; a disk that is full or broken is told once, and once again when everything is written. Used by one thread, but for
/// <see cref="FlushToDisk"/>.
/// </summary>
/// <param name="files">Where they are.</param>
internal sealed class RunJournal(IFileSystem files, string folder, Metric metric) : IDisposable
{
    /// <summary>Bytes of events that wait while they cannot be written; the run does not depend on them.</summary>
    private const int MaxEvents = 1 << 20;

    private readonly LineLog _history = new(files, Path.Combine(folder, RunFiles.History), HistoryRow.Header, isNeeded: true);
    private readonly LineLog _evaluations = new(files, Path.Combine(folder, RunFiles.Evaluations), EpochResult.Header(metric), isNeeded: true);
    private readonly LineLog _events = new(files, Path.Combine(folder, RunFiles.Events), header: null, isNeeded: false, MaxEvents);
    private string? _fault;
    private bool _isOverfullTold;

    /// <summary>Takes up what another coordinator has recorded, and tells it in order; what is behind it is cut off. Before anything is added.</summary>
    /// <param name="point">Where the run continues.</param>
    /// <param name="onEvent">Is told of each event that can be read.</param>
    /// <exception cref="IOException">The disk has failed.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be written to.</exception>
    public void Recall(ResumePoint point, Action<HistoryRow> onStep, Action<EpochResult> onEvaluation, Action<RunEvent> onEvent)
    {
        var recorded = new RecordedLines(files, folder);
        _history.Continue(point.Steps == 0 ? 0 : recorded.History(most: point.Steps, tell: onStep).Bytes);
        _evaluations.Continue(point.Evaluations == 0 ? 0 : recorded.Evaluations(metric, most: point.Evaluations, tell: onEvaluation).Bytes);
        // Events belong to no round: what happened has happened, also to a coordinator that recorded nothing else.
        _events.Continue(RunEvent.ReadAll(files, Path.Combine(folder, RunFiles.Events), onEvent));
    }

    public void Add(HistoryRow row) => _history.Add(row.ToLine());

    public void Add(EpochResult result) => _evaluations.Add(result.ToLine());

    public void Add(RunEvent happened) => _events.Add(happened.ToLine());

    /// <summary>Hands what was added to the operating system, so that it can be read; tries again what has failed before.</summary>
    /// <returns>What people should know, if that has changed.</returns>
    public string? Flush()
    {
        string? fault = null;
        var isBusy = false;
        // Evaluations are of steps, and never written before them.
        foreach (var (name, log) in ((string, LineLog)[])[(RunFiles.History, _history), (RunFiles.Evaluations, _evaluations), (RunFiles.Events, _events)])
        {
            try
            {
                isBusy |= !log.Flush();
            }
            catch (Exception error) when (StorageError.Is(error))
            {
                fault ??= $"{name} cannot be written: {error.Message}";
                if (log != _events) break;
            }
        }
        var before = _fault;
        // Whoever is writing has yet to find out.
        _fault = fault ??= isBusy ? before : null;
        if (!_isOverfullTold && IsOverfull)
        {
            _isOverfullTold = true;
            return $"more steps than {LineLog.MaxBytes >> 20} MiB hold could not be written: the history of this run ends here. Training continues";
        }
        return (before, fault) switch
        {
            (null, not null) => $"{fault.TrimEnd('.')}. Training continues; what is missing is kept in memory and written when that is possible",
            (not null, null) => $"{before.Split(' ')[0]} is written again, and no line is missing",
            _ => null,
        };
    }

    /// <summary>Whether steps or evaluations were thrown away, as too many waited for the disk. Any thread may ask.</summary>
    public bool IsOverfull => _history.IsOverfull || _evaluations.IsOverfull;

    /// <summary>Returns when every step and evaluation is on the disk that was added before. Any thread may call it.</summary>
    /// <exception cref="IOException">The disk is full or broken; all lines are kept.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be written to; all lines are kept.</exception>
    public void FlushToDisk()
    {
        _history.FlushToDisk();
        _evaluations.FlushToDisk();
    }

    public void Dispose()
    {
        _history.Dispose();
        _evaluations.Dispose();
        _events.Dispose();
    }
}
