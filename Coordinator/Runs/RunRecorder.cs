using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;

namespace Distributed.Coordinator.Runs;

// Enters the workers' reports into the ledger, the files, the curves and the metrics, and passes them on to the observers. Used by one
// thread at a time. The cost of a report does not depend on the number of workers; the progress is shown when the phase changes and at
// every Refresh.
internal sealed class RunRecorder : IDisposable
{
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100); // The period of Refresh: as often as an eye follows.

    private readonly Job _job;
    private readonly IProgressView _view;
    private readonly TrainingMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly RunJournal _journal;
    private readonly List<IRunObserver> _observers;
    private readonly ReportedStates _states;
    private readonly ProgressTracker _progress;
    private Rounds? _rounds;
    private RunLedger? _ledger;
    private bool _isChanged;

    public RunRecorder(RunJournal journal, Job job, IProgressView view, TrainingMetrics metrics, TimeProvider time,
        Rounds? resumed = null, ResumePoint? point = null, DateTimeOffset? startedAt = null, IReadOnlyList<IRunObserver>? observers = null)
    {
        (_journal, _job, _view, _metrics, _time, _rounds, _observers) = (journal, job, view, metrics, time, resumed, [.. observers ?? []]);
        (_states, _progress) = (new(job.Checkpoint.EverySteps, job.IsExact), new(job.Epochs, metrics));
        StartedAt = startedAt ?? time.GetUtcNow();
        point ??= ResumePoint.Start;
        if (resumed is not null) StartLedger(resumed, point.Rounds);
        journal.Recall(point, Recall, Recall, happened => TellAll(observer => observer.Recalled(happened)));
        if (resumed is not null) TellAll(observer => observer.Opened(resumed));
        foreach (var dropped in point.Dropped) Happened(RunEventKind.Fault, dropped);
    }

    public long Entered => _ledger?.Entered ?? 0; // Rounds that are entered, in order and each once.
    public DateTimeOffset StartedAt { get; private set; } // When the first plan began.
    public RunCurves Curves { get; } = new();
    public IReadOnlyList<double> EvaluationTallies { get; private set; } = []; // The sums over the test set of the last evaluation.

    public void Open(Rounds rounds)
    {
        _rounds = rounds;
        if (_ledger is not null) return;
        StartLedger(rounds, entered: 0);
        TellAll(observer => observer.Opened(rounds));
    }

    public void Started(Plan plan)
    {
        if (plan.Generation == 1) StartedAt = _time.GetUtcNow();
        _ledger?.Begin(plan);
        _states.Begin(plan);
        _progress.Begin(plan);
        Show();
    }

    public void Happened(RunEventKind kind, string text, string? worker = null, IReadOnlyList<string>? workers = null)
    {
        text = Shown.InFull(text, RunEvent.MaxText);
        var happened = new RunEvent { At = _time.GetUtcNow(), Step = Steps, Kind = kind, Worker = worker, Workers = workers, Text = text };
        _journal.Add(happened);
        // The terminal's numbers already show these events.
        if (kind is not (RunEventKind.Joined or RunEventKind.Generation or RunEventKind.Checkpoint
            or RunEventKind.Finished or RunEventKind.Failed)) _view.Message(text);
        TellAll(observer => observer.Happened(happened));
    }

    public void Phase(string phase)
    {
        _progress.Phase = phase;
        Show();
    }

    public void Workers(IEnumerable<(string Id, string Device, MemberStatus Status)> workers)
    {
        _progress.Set(workers);
        _isChanged = true;
    }

    public void WorkerGone(string worker)
    {
        _progress.Remove(worker);
        Show();
    }

    public string? Applied(string worker, ReadOnlySpan<RoundReport> reports)
    {
        _isChanged = true;
        foreach (var report in reports)
        {
            if (_ledger is null) return $"{worker} reports rounds before it was prepared";
            if (_ledger.Enter(worker, report, out var first) is { } fault)
            {
                if (_ledger.HasMismatch) _metrics.Cluster.DigestDiffered();
                return fault;
            }
            var round = _rounds!.At(report.Round);
            _states.Add(_rounds, round, report.Digest);
            if (round.Kind == RoundKind.Train) _progress.Report(worker, report);
            if (first is null) continue;
            if (round.Kind == RoundKind.Train) EnterStep(round, report);
            else EnterEvaluation(round, report);
        }
        return null;
    }

    public string? Gap(ReadOnlySpan<RoundReport> reports) =>
        _ledger is null || reports.IsEmpty ? null : _ledger.GapBefore(reports[0].Round);

    public string? Unreported(long applied) => _ledger?.UnreportedBy(applied);
    public string? Shortfall => _ledger?.Shortfall;
    public CheckpointFacts? FactsAfter(long applied) => _states.After(_rounds, applied);

    /// <summary>Makes the recorded steps and evaluations durable. Safe on every thread.</summary>
    public void FlushToDisk() => _journal.FlushToDisk();

    public void Refresh()
    {
        if (_isChanged) Show();
        else Write();
    }

    public RunReport Report(
        string jobName, string parametersSha256, int workers, IReadOnlyList<GenerationStart> generations, long stepsRedone)
    {
        var finished = _time.GetUtcNow();
        var seconds = (finished - StartedAt).TotalSeconds;
        return new()
        {
            Job = jobName,
            StartedAt = StartedAt,
            FinishedAt = finished,
            Seconds = seconds,
            Steps = Steps,
            Epochs = _job.Epochs,
            StepsPerSecond = Steps / seconds,
            SamplesExpected = _ledger!.SamplesExpected,
            SamplesApplied = _ledger.SamplesApplied,
            TrainLoss = _progress.TrainLoss,
            TestLoss = Curves.LastEvaluation?.TestLoss,
            Metric = _job.Kind.Metric.Name,
            TestMetric = Curves.LastEvaluation?.TestMetric.Value,
            ParametersSha256 = parametersSha256,
            Workers = workers,
            Generations = generations is [.., var newest] ? newest.Number : 0,
            StepsRedone = stepsRedone,
            Reconfigurations = [.. generations.Where(start => start.Number > 1)],
        };
    }

    public void Dispose()
    {
        Refresh();
        _journal.Dispose();
    }

    private long Steps => Curves.LastStep?.Step ?? 0;

    private void StartLedger(Rounds rounds, long entered)
    {
        _ledger = new(rounds, _job.IsExact, entered, _job.Kind.Metric.Sums);
        _metrics.JobSteps(rounds.Steps);
    }

    private void TellAll(Action<IRunObserver> tell)
    {
        foreach (var observer in _observers.ToList())
        {
            try
            {
                tell(observer);
            }
            // A failing observer must not end the run.
            catch (Exception error)
            {
                _observers.Remove(observer);
                _view.Message($"{observer.GetType().Name} has failed and is told nothing more: {error.Message}");
            }
        }
    }

    private void Recall(HistoryRow row)
    {
        var round = _rounds!.At(_rounds.NumberOf(row.Step - 1));
        _progress.AddLoss(round, row.Loss * round.Samples);
        Curves.Add(row);
        TellAll(observer => observer.Recalled(row));
    }

    private void Recall(EpochResult evaluation)
    {
        Curves.Add(evaluation);
        _states.Add(evaluation);
        TellAll(observer => observer.Recalled(evaluation));
    }

    private void EnterStep(Round round, RoundReport report)
    {
        var loss = report.Tallies[Tally.Loss];
        _progress.AddLoss(round, loss);
        var row = new HistoryRow
        {
            Step = round.Step + 1,
            Epoch = round.Epoch + 1,
            Loss = loss / round.Samples,
            LearningRate = report.LearningRate,
            GradientNorm = report.GradientNorm,
            SamplesPerSecond = _progress.AddSpeed(round, report.Times),
        };
        Curves.Add(row);
        _journal.Add(row);
        _metrics.RoundApplied(round, row.Loss, row.LearningRate, row.GradientNorm, row.SamplesPerSecond);
        TellAll(observer => observer.Stepped(row));
    }

    private void EnterEvaluation(Round round, RoundReport report)
    {
        EvaluationTallies = report.Tallies;
        var metric = _job.Kind.Metric;
        var evaluation = new EpochResult
        {
            Epoch = round.Epoch + 1,
            Step = round.Step,
            TestLoss = report.Tallies[Tally.Loss] / round.Samples,
            TestMetric = new(metric, metric.Of(report.Tallies.AsSpan(Tally.FirstMetric), round.Samples)),
        };
        Curves.Add(evaluation);
        _states.Add(evaluation);
        _journal.Add(evaluation);
        _metrics.Evaluated(evaluation.TestLoss, evaluation.TestMetric);
        TellAll(observer => observer.Evaluated(evaluation));
    }

    private void Show()
    {
        _isChanged = false;
        Write();
        var progress = _progress.Show(Curves, _rounds, _ledger);
        _view.Update(progress);
        TellAll(observer => observer.Progressed(progress));
    }

    // A message about the files is itself written at the next refresh.
    private void Write()
    {
        if (_journal.Flush() is { } news) Happened(RunEventKind.Fault, news);
    }
}
