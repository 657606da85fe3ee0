using Distributed.Coordinator.Storage;
using Distributed.Core.Scores;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

// The files of a run that grow by lines: history.csv, evaluations.csv and events.jsonl. Adding never fails: lines
// wait in memory while the disk is full. One thread at a time, except for FlushToDisk and IsOverfull.
internal sealed class RunJournal(IFileSystem files, string folder, Metric metric) : IDisposable
{
    private const int MaxEvents = 1 << 20; // Bytes of events that wait in memory; a run does not depend on them.

    private readonly LineLog _history = new(files, Path.Combine(folder, RunFiles.History), HistoryRow.Header, isNeeded: true);
    private readonly LineLog _evaluations =
        new(files, Path.Combine(folder, RunFiles.Evaluations), EpochResult.Header(metric), isNeeded: true);
    private readonly LineLog _events = new(files, Path.Combine(folder, RunFiles.Events), header: null, isNeeded: false, MaxEvents);
    private string? _fault;
    private bool _isOverfullTold;

    /// <summary>Reads the records of a resumed run up to <paramref name="point"/> and cuts off what follows. Call before adding.</summary>
    public void Recall(ResumePoint point, Action<HistoryRow> onStep, Action<EpochResult> onEvaluation, Action<RunEvent> onEvent)
    {
        var recorded = new RecordedLines(files, folder);
        _history.Continue(point.Steps == 0 ? 0 : recorded.History(most: point.Steps, tell: onStep).Bytes);
        _evaluations.Continue(point.Evaluations == 0 ? 0
            : recorded.Evaluations(metric, most: point.Evaluations, tell: onEvaluation).Bytes);
        // Events belong to no round, so all of them are kept.
        _events.Continue(RunEvent.ReadAll(files, Path.Combine(folder, RunFiles.Events), onEvent));
    }

    public void Add(HistoryRow row) => _history.Add(row.ToLine());
    public void Add(EpochResult result) => _evaluations.Add(result.ToLine());
    public void Add(RunEvent happened) => _events.Add(happened.ToLine());

    /// <summary>Hands all lines to the operating system, so that other processes can read them.</summary>
    /// <returns>A message for the user when writing has begun to fail, or works again.</returns>
    public string? Flush()
    {
        string? fault = null;
        var isBusy = false;
        // An evaluation must not be in its file before its steps are in theirs.
        foreach (var (name, log) in ((string, LineLog)[])
            [(RunFiles.History, _history), (RunFiles.Evaluations, _evaluations), (RunFiles.Events, _events)])
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
        // Another thread is writing; its outcome is not known yet.
        _fault = fault ??= isBusy ? before : null;
        if (!_isOverfullTold && IsOverfull)
        {
            _isOverfullTold = true;
            return $"{LineLog.MaxBytes >> 20} MiB of steps could not be written: the history of this run ends here. Training continues";
        }
        return (before, fault) switch
        {
            (null, not null) =>
                $"{fault.TrimEnd('.')}. Training continues; the missing lines stay in memory and are written as soon as that is possible",
            (not null, null) => $"{before.Split(' ')[0]} is written again, and no line is missing",
            _ => null,
        };
    }

    /// <summary>Whether steps or evaluations were discarded because too many waited for the disk.</summary>
    public bool IsOverfull => _history.IsOverfull || _evaluations.IsOverfull;

    /// <summary>Makes the steps and evaluations durable that were added before. If it fails, all lines are kept.</summary>
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
