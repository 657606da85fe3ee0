using System.Globalization;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Jobs;

namespace Distributed.Coordinator.Observers;

/// <summary>A run as the live page shows it, in memory that does not grow with it. Told by one thread, read by any.</summary>
/// <param name="facts">What does not change.</param>
internal sealed class LiveRun(LiveFacts facts) : IRunObserver
{
    public const int MaxPoints = 2000;

    public const int MaxEvents = 200;

    public const int MaxWorkers = 128;

    private const int MaxGone = 32;
    private const int MaxSpeeds = 120;

    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Curve _train = new(MaxPoints), _test = new(MaxPoints), _metric = new(MaxPoints), _speed = new(MaxSpeeds);
    private readonly EventWindow _events = new(MaxEvents);
    private readonly Roster _roster = new(MaxGone);
    private TrainingProgress _progress = new() { Phase = "starting", Epochs = facts.Epochs, Steps = 0 };
    private (LiveOutcome Outcome, string? Reason) _end;
    private long? _stepsPerEpoch;
    private long? _divergedAt;
    private bool _isTested = true;
    private int _epoch;
    private long _version = 1;

    public static LiveRun Of(string name, Job job) => new(new(name, About(job), job.Epochs, job.Kind.Metric.Title, job.Kind.Metric.IsShare));

    /// <summary>Done when nothing will change any more.</summary>
    public Task Ended => _ended.Task;

    public void Recalled(HistoryRow step) => Change(() =>
    {
        Add(step);
        _progress = _progress with { Step = step.Step, Epoch = _epoch, Loss = step.Loss };
    });

    public void Recalled(EpochResult evaluation) => Change(() =>
    {
        Add(evaluation);
        _progress = _progress with { TestMetric = evaluation.TestMetric };
    });

    public void Recalled(RunEvent happened) => Change(() =>
    {
        Add(happened);
        // However it ended then, it goes on.
        _end = default;
    });

    public void Opened(Rounds rounds) => Change(() =>
    {
        (_stepsPerEpoch, _isTested) = (rounds.StepsPerEpoch, rounds.TestSamples > 0);
        _progress = _progress with { Steps = rounds.Steps };
    });

    public void Stepped(HistoryRow step) => Change(() => Add(step));

    public void Evaluated(EpochResult evaluation) => Change(() => Add(evaluation));

    public void Happened(RunEvent happened) => Change(() => Add(happened));

    public void Progressed(TrainingProgress progress) => Change(() =>
    {
        _progress = progress;
        _roster.Progressed(progress.Workers);
    });

    /// <summary>Nothing more will happen.</summary>
    public void End()
    {
        if (_ended.Task.IsCompleted) return;
        Change(() =>
        {
            if (_end.Outcome == LiveOutcome.Running) _end = (LiveOutcome.Unfinished, null);
        });
        _ended.TrySetResult();
    }

    /// <summary>What somebody does not know yet.</summary>
    /// <param name="seen">What is known; the default value is nothing. Afterwards, all there is.</param>
    /// <returns>Null where nothing has changed.</returns>
    public LiveMessage? Since(ref LiveCursor seen)
    {
        lock (_lock)
        {
            if (seen.Version == _version) return null;
            var (rows, events) = (_roster.Rows, _events.Since(seen.Events));
            var (train, test, measured, speed) = (seen.Train, seen.Test, seen.Metric, seen.Speed);
            var message = new LiveMessage
            {
                Run = seen.Version == 0 ? facts : null,
                Status = Status(),
                Workers = [.. rows.Take(MaxWorkers)],
                MoreWorkers = Math.Max(0, rows.Count - MaxWorkers),
                Events = events.Count > 0 ? events : null,
                Train = _train.Since(ref train),
                Test = _test.Since(ref test),
                Metric = _metric.Since(ref measured),
                Speed = _speed.Since(ref speed),
            };
            seen = new(_version, _events.Added, train, test, measured, speed);
            return message;
        }
    }

    private LiveStatus Status() => new()
    {
        Outcome = _end.Outcome,
        Reason = _end.Reason,
        Phase = _progress.Phase,
        Epoch = _progress.Epoch,
        Step = _progress.Step,
        Steps = _progress.Steps > 0 ? _progress.Steps : (_stepsPerEpoch ?? 0) * facts.Epochs,
        StepsPerEpoch = _stepsPerEpoch,
        IsTested = _isTested,
        Loss = _progress.Loss is { } loss && double.IsFinite(loss) ? loss : null,
        DivergedAt = _divergedAt,
        Metric = _progress.TestMetric is { Value: var measured } && double.IsFinite(measured) ? measured : null,
        SamplesPerSecond = _progress.SamplesPerSecond,
        TimeLeft = _end.Outcome == LiveOutcome.Running ? _progress.TimeLeft?.TotalSeconds : null,
        Workers = _progress.Workers.Length,
        Generation = _progress.Generation,
    };

    private void Change(Action change)
    {
        lock (_lock)
        {
            change();
            _version++;
        }
    }

    private void Add(HistoryRow step)
    {
        _train.Add(step.Step, step.Loss);
        _speed.Add(step.Step, step.SamplesPerSecond);
        _epoch = step.Epoch;
        _divergedAt = double.IsFinite(step.Loss) ? null : _divergedAt ?? step.Step;
    }

    private void Add(EpochResult evaluation)
    {
        _test.Add(evaluation.Step, evaluation.TestLoss);
        _metric.Add(evaluation.Step, evaluation.TestMetric.Value);
        if (evaluation.Epoch > 0) _stepsPerEpoch ??= evaluation.Step / evaluation.Epoch;
    }

    private void Add(RunEvent happened)
    {
        _events.Add(happened);
        _roster.Happened(happened);
        if (happened.Kind == RunEventKind.Finished) _end = (LiveOutcome.Finished, null);
        if (happened.Kind == RunEventKind.Failed) _end = (LiveOutcome.Failed, happened.Text);
    }

    private static string About(Job job) => string.Create(CultureInfo.InvariantCulture,
        $"{job.Data} · {NameOf(job.Model)} · {job.Optimizer.Summarize()} · batch {job.BatchText} in {job.MicroBatches} micro-batches · {job.Topology}");

    private static string NameOf(object spec) => spec.GetType().Name.Replace("Spec", "", StringComparison.Ordinal).ToLowerInvariant();
}

/// <summary>What somebody has seen of a run; the default value is nothing.</summary>
/// <param name="Train">Of that curve, as are the following.</param>
/// <param name="Speed">Samples per second.</param>
internal readonly record struct LiveCursor(long Version, long Events, CurveCursor Train, CurveCursor Test, CurveCursor Metric, CurveCursor Speed);
