using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// Turns what the workers report into what people see: the history, the progress, the numbers of the report. Called by one
/// actor, one call at a time. What a worker reports is entered at once, at a cost that does not depend on how many there are;
/// it is shown when the phase changes, and otherwise at <see cref="Refresh"/>.
/// </summary>
internal sealed class RunRecorder : IDisposable
{
    /// <summary>How often <see cref="Refresh"/> is meant to be called: as often as an eye follows.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private const double SpeedSmoothing = 0.05;

    /// <summary>More than there are between two checkpoints that are stored.</summary>
    private const int MaxDigests = 64;

    private readonly Job _job;
    private readonly IProgressView _view;
    private readonly TrainingMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly RunJournal _journal;
    private readonly IReadOnlyList<IRunObserver> _observers;
    private readonly HashSet<IRunObserver> _failed = [];
    private readonly Queue<EpochResult> _evaluations = [];
    private readonly SortedDictionary<long, StateDigest> _digests = [];
    private readonly ArrivalWatch _arrivals = new();
    private readonly Dictionary<string, RoundReport> _lastReports = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, (string Device, MemberStatus Status)> _workers = new(StringComparer.Ordinal);
    private Rounds? _rounds;
    private RunLedger? _ledger;
    private string _phase = "waiting for workers";
    private DateTimeOffset _startedAt;
    private (double Loss, int Samples) _epoch;
    private double _trainLoss;
    private double _secondsPerSample;
    private int _generation;
    private bool _isChanged;

    /// <param name="journal">The files; nothing was added yet.</param>
    /// <param name="resumed">The rounds of a run that another coordinator began to record here; null for a new one.</param>
    /// <param name="point">Where such a run continues; null for its start.</param>
    /// <param name="startedAt">When that began to train.</param>
    /// <exception cref="IOException">What was recorded cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public RunRecorder(RunJournal journal, Job job, IProgressView view, TrainingMetrics metrics, TimeProvider time,
        Rounds? resumed = null, ResumePoint? point = null, DateTimeOffset? startedAt = null, IReadOnlyList<IRunObserver>? observers = null)
    {
        (_journal, _job, _view, _metrics, _time, _rounds, _observers) = (journal, job, view, metrics, time, resumed, observers ?? []);
        _startedAt = startedAt ?? time.GetUtcNow();
        point ??= ResumePoint.Start;
        if (resumed is not null)
        {
            _ledger = new(resumed, job.IsExact, point.Rounds, job.Kind.Metric.Sums);
            metrics.JobSteps(resumed.Steps);
        }
        journal.Recall(point, Recall, Recall, happened => TellAll(observer => observer.Recalled(happened)));
        if (resumed is not null) TellAll(observer => observer.Opened(resumed));
        foreach (var dropped in point.Dropped) Happened(RunEventKind.Fault, dropped);
    }

    public long Entered => _ledger?.Entered ?? 0;

    /// <summary>When the first plan came into force.</summary>
    public DateTimeOffset StartedAt => _startedAt;

    public RunCurves Curves { get; } = new();

    /// <summary>What the last evaluation gave: sums over the test set.</summary>
    public IReadOnlyList<double> EvaluationTallies { get; private set; } = [];

    public void Open(Rounds rounds)
    {
        _rounds = rounds;
        if (_ledger is not null) return;
        _ledger = new(rounds, _job.IsExact, metricSums: _job.Kind.Metric.Sums);
        _metrics.JobSteps(rounds.Steps);
        TellAll(observer => observer.Opened(rounds));
    }

    /// <summary>A plan is in force; the first one starts the clock.</summary>
    public void Started(Plan plan)
    {
        if (plan.Generation == 1) _startedAt = _time.GetUtcNow();
        _phase = "training";
        _generation = plan.Generation;
        _ledger?.Begin(plan);
        // Rounds that are done again come to other bits in an inexact job: what their states are is yet to be reported.
        if (!_job.IsExact)
            foreach (var applied in _digests.Keys.Where(applied => applied > plan.FirstRound).ToList()) _digests.Remove(applied);
        _arrivals.Begin(plan.Workers);
        _metrics.GenerationBegan(plan.Generation);
        Show();
    }

    /// <param name="workers">The workers that a generation begins with.</param>
    public void Happened(RunEventKind kind, string text, string? worker = null, IReadOnlyList<string>? workers = null)
    {
        text = Shown.InFull(text, RunEvent.MaxText);
        var happened = new RunEvent { At = _time.GetUtcNow(), Step = Steps, Kind = kind, Worker = worker, Workers = workers, Text = text };
        _journal.Add(happened);
        // What goes as it should, a person who looks at a terminal sees from the numbers.
        if (kind is not (RunEventKind.Joined or RunEventKind.Generation or RunEventKind.Checkpoint or RunEventKind.Finished or RunEventKind.Failed)) _view.Message(text);
        TellAll(observer => observer.Happened(happened));
    }

    /// <summary>What the cluster as a whole does now, in a word or two.</summary>
    public void Phase(string phase)
    {
        _phase = phase;
        Show();
    }

    /// <summary>The workers, as the coordinator sees them now.</summary>
    public void Workers(IEnumerable<(string Id, string Device, MemberStatus Status)> workers)
    {
        foreach (var (id, device, status) in workers) _workers[id] = (device, status);
        _isChanged = true;
    }

    public void WorkerGone(string worker)
    {
        _workers.Remove(worker);
        _lastReports.Remove(worker);
        _metrics.Members.Gone(worker);
        Show();
    }

    /// <returns>What is wrong with them, in a user's words; null if nothing is.</returns>
    public string? Applied(string worker, ReadOnlySpan<RoundReport> reports)
    {
        _isChanged = true;
        foreach (var report in reports)
        {
            if (_ledger is null) return $"{worker} reports rounds before it was prepared";
            if (_ledger.Enter(worker, report, out var round) is { } wrong)
            {
                if (_ledger.HasMismatch) _metrics.Cluster.DigestDiffered();
                return wrong;
            }
            Remember(_rounds!.At(report.Round), report.Digest);
            if (_rounds!.At(report.Round).Kind == RoundKind.Train) Note(worker, report);
            if (round is { } first) Enter(first, report);
        }
        return null;
    }

    /// <summary>What is wrong with the numbers of reported rounds, in a user's words: rounds before them that are not entered. They can be reported again. Null where none is missing.</summary>
    public string? Gap(ReadOnlySpan<RoundReport> reports) => _ledger is null || reports.IsEmpty ? null : _ledger.GapBefore(reports[0].Round);

    /// <summary>What is wrong with a worker that has stopped with so many rounds, in a user's words: no worker has reported some of them. Null where that is not so.</summary>
    public string? Unreported(long applied) => _ledger?.UnreportedBy(applied);

    /// <summary>Why the run must not be taken for complete, in a user's words; null where every round is entered.</summary>
    public string? Shortfall => _ledger?.Shortfall;

    /// <summary>What is known of the state after so many rounds, if a checkpoint may be due there; null where it is not, or has not been reported yet.</summary>
    /// <param name="applied">1 or more.</param>
    public CheckpointFacts? FactsAfter(long applied)
    {
        if (!_digests.TryGetValue(applied, out var digest)) return null;
        var round = _rounds!.At(applied - 1);
        var isEvaluation = round.Kind == RoundKind.Evaluate;
        return new(isEvaluation ? round.Step : round.Step + 1, applied, round.Epoch + 1, digest, isEvaluation ? _evaluations.FirstOrDefault(e => e.Epoch == round.Epoch + 1) : null);
    }

    /// <summary>Shows what has changed since it was shown last.</summary>
    public void Refresh()
    {
        if (_isChanged) Show();
        else Write();
    }

    public RunReport Report(string jobName, string parametersSha256, int workers, IReadOnlyList<GenerationStart> generations, long stepsRedone)
    {
        var finished = _time.GetUtcNow();
        var seconds = (finished - _startedAt).TotalSeconds;
        var last = Curves.LastEvaluation;
        return new()
        {
            Job = jobName,
            StartedAt = _startedAt,
            FinishedAt = finished,
            Seconds = seconds,
            Steps = Steps,
            Epochs = _job.Epochs,
            StepsPerSecond = Steps / seconds,
            SamplesExpected = _ledger!.SamplesExpected,
            SamplesApplied = _ledger.SamplesApplied,
            TrainLoss = _trainLoss,
            TestLoss = last?.TestLoss,
            Metric = _job.Kind.Metric.Name,
            TestMetric = last?.TestMetric.Value,
            ParametersSha256 = parametersSha256,
            Workers = workers,
            Generations = generations is [.., var newest] ? newest.Number : 0,
            StepsRedone = stepsRedone,
            Reconfigurations = [.. generations.Where(start => start.Number > 1)],
        };
    }

    /// <summary>Shows where the run has ended, and closes the history.</summary>
    public void Dispose()
    {
        Refresh();
        _journal.Dispose();
    }

    private void TellAll(Action<IRunObserver> tell)
    {
        foreach (var observer in _observers.Except(_failed))
        {
            try
            {
                tell(observer);
            }
            // It only looks on: the run does not depend on it.
            catch (Exception error)
            {
                _failed.Add(observer);
                _view.Message($"{observer.GetType().Name} has failed and is told nothing more: {error.Message}");
            }
        }
    }

    private long Steps => Curves.LastStep?.Step ?? 0;

    private void Recall(HistoryRow row)
    {
        var round = _rounds!.At(_rounds.NumberOf(row.Step - 1));
        Average(round, row.Loss * round.Samples);
        Curves.Add(row);
        foreach (var observer in _observers) observer.Recalled(row);
    }

    private void Recall(EpochResult evaluation)
    {
        Keep(evaluation);
        foreach (var observer in _observers) observer.Recalled(evaluation);
    }

    /// <summary>Of the newest, a checkpoint may yet come.</summary>
    private void Keep(EpochResult evaluation)
    {
        Curves.Add(evaluation);
        _evaluations.Enqueue(evaluation);
        if (_evaluations.Count > MaxDigests) _evaluations.Dequeue();
    }

    private void Note(string worker, RoundReport report)
    {
        _lastReports[worker] = report;
        _metrics.Members.Computed(worker, report.MicroBatches);
        var behind = _arrivals.Waited(worker, report.Round, report.Times.Wait);
        for (var i = 0; i < behind.Length; i++) _metrics.Members.Behind(_arrivals.Workers[i], behind[i]);
    }

    private void Remember(Round round, StateDigest digest)
    {
        if (round.Kind == RoundKind.Train && !CheckpointRule.IsDue(_rounds!, _job.Checkpoint.EverySteps, round)) return;
        _digests[round.Number + 1] = digest;
        if (_digests.Count > MaxDigests) _digests.Remove(_digests.Keys.First());
    }

    private void Average(Round round, double loss)
    {
        _epoch = round.First == 0 ? (loss, round.Samples) : (_epoch.Loss + loss, _epoch.Samples + round.Samples);
        _trainLoss = _epoch.Loss / _epoch.Samples;
    }

    private void Enter(Round round, RoundReport report)
    {
        var loss = report.Tallies[Tally.Loss];
        if (round.Kind == RoundKind.Evaluate)
        {
            EvaluationTallies = report.Tallies;
            var evaluation = new EpochResult
            {
                Epoch = round.Epoch + 1,
                Step = round.Step,
                TestLoss = loss / round.Samples,
                TestMetric = new(_job.Kind.Metric, _job.Kind.Metric.Of(report.Tallies.AsSpan(Tally.FirstMetric), round.Samples)),
            };
            Keep(evaluation);
            _journal.Add(evaluation);
            _metrics.Evaluated(evaluation.TestLoss, evaluation.TestMetric);
            TellAll(observer => observer.Evaluated(evaluation));
            return;
        }
        Average(round, loss);
        var times = report.Times;
        var seconds = (times.Compute + times.Send + times.Wait + times.Apply) / round.Samples;
        _secondsPerSample += (_secondsPerSample == 0 ? 1 : SpeedSmoothing) * (seconds - _secondsPerSample);
        var row = new HistoryRow
        {
            Step = round.Step + 1,
            Epoch = round.Epoch + 1,
            Loss = loss / round.Samples,
            LearningRate = report.LearningRate,
            GradientNorm = report.GradientNorm,
            SamplesPerSecond = 1 / seconds,
        };
        Curves.Add(row);
        _journal.Add(row);
        _metrics.RoundApplied(round, row.Loss, row.LearningRate, row.GradientNorm, row.SamplesPerSecond);
        foreach (var observer in _observers) observer.Stepped(row);
    }

    private static string Doing(MemberStatus status) => status switch
    {
        MemberStatus.Preparing => "preparing",
        MemberStatus.Ready => "ready",
        MemberStatus.Halted => "stopped",
        MemberStatus.Syncing => "catching up",
        _ => "training",
    };

    private WorkerProgress Progress(string worker, string device, MemberStatus status)
    {
        if (!_lastReports.TryGetValue(worker, out var report)) return new(worker, device, Doing(status), 0, 0, 0, 0, 0);
        var times = report.Times;
        var total = Math.Max(times.Compute + times.Send + times.Wait + times.Apply, double.Epsilon);
        return new(worker, device, Doing(status), times.Compute / total, times.Send / total, times.Wait / total, times.Apply / total, report.MicroBatches);
    }

    private TimeSpan? TimeLeft()
    {
        if (_secondsPerSample <= 0) return null;
        var seconds = (_ledger!.SamplesExpected - _ledger.SamplesApplied) * _secondsPerSample;
        return seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    private void Show()
    {
        _isChanged = false;
        Write();
        _metrics.Workers(_workers.Values.CountBy(worker => worker.Status).ToDictionary(state => state.Key.ToString().ToLowerInvariant(), state => state.Value));
        var (step, timeLeft) = (Curves.LastStep, TimeLeft());
        _metrics.TimeLeft(timeLeft);
        var progress = new TrainingProgress
        {
            Phase = _phase,
            Epoch = step?.Epoch ?? 0,
            Epochs = _job.Epochs,
            Step = Steps,
            Steps = _rounds?.Steps ?? 0,
            Loss = step?.Loss,
            TestMetric = Curves.LastEvaluation?.TestMetric,
            SamplesPerSecond = _secondsPerSample > 0 ? 1 / _secondsPerSample : 0,
            TimeLeft = timeLeft,
            Generation = _generation,
            Workers = [.. _workers.Select(worker => Progress(worker.Key, worker.Value.Device, worker.Value.Status))],
        };
        _view.Update(progress);
        TellAll(observer => observer.Progressed(progress));
    }

    /// <summary>Writes what was recorded. What people should know of it is written with the next refresh.</summary>
    private void Write()
    {
        if (_journal.Flush() is { } news) Happened(RunEventKind.Fault, news);
    }
}
