using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Jobs;

namespace Distributed.Coordinator.Observers;

/// <summary>A run as the live page shows it, in bounded memory. One thread writes, any thread reads.</summary>
internal sealed class LiveRun(LiveRunInfo info) : IRunObserver
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
    private readonly WorkerList _workers = new(MaxGone);
    private TrainingProgress _progress = new() { Phase = "starting", Epochs = info.Epochs, Steps = 0 };
    private (LiveOutcome Outcome, string? Reason) _end;
    private long? _stepsPerEpoch;
    private long? _divergedAt;
    private bool _isTested = true;
    private int _epoch;
    private long _version = 1;

    public static LiveRun Of(string name, Job job) =>
        new(new(name, About(job), job.Epochs, job.Kind.Metric.Title, job.Kind.Metric.IsShare));

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
        // The run continues, however it ended before.
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
        _workers.Progressed(progress.Workers);
    });

    public void End()
    {
        if (_ended.Task.IsCompleted) return;
        Change(() =>
        {
            if (_end.Outcome == LiveOutcome.Running) _end = (LiveOutcome.Unfinished, null);
        });
        _ended.TrySetResult();
    }

    /// <param name="seen">What the page has; the default value is nothing. Advanced to the present state.</param>
    /// <returns>What the page lacks; null if nothing has changed.</returns>
    public LiveMessage? Since(ref LiveCursor seen)
    {
        lock (_lock)
        {
            if (seen.Version == _version) return null;
            var (rows, events) = (_workers.Rows, _events.Since(seen.Events));
            var (train, test, measured, speed) = (seen.Train, seen.Test, seen.Metric, seen.Speed);
            var message = new LiveMessage
            {
                Run = seen.Version == 0 ? info : null,
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
        Steps = _progress.Steps > 0 ? _progress.Steps : (_stepsPerEpoch ?? 0) * info.Epochs,
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
        _workers.Happened(happened);
        if (happened.Kind == RunEventKind.Finished) _end = (LiveOutcome.Finished, null);
        if (happened.Kind == RunEventKind.Failed) _end = (LiveOutcome.Failed, happened.Text);
    }

    private static string About(Job job)
    {
        var model = job.Model.GetType().Name.Replace("Spec", "", StringComparison.Ordinal).ToLowerInvariant();
        return $"{job.Data} · {model} · {job.Optimizer.Summarize()} · batch {job.BatchText} in {job.MicroBatches} micro-batches · "
            + $"{job.Topology}";
    }
}

/// <summary>What a page has of a run; the default value is nothing.</summary>
internal readonly record struct LiveCursor(
    long Version, long Events, CurveCursor Train, CurveCursor Test, CurveCursor Metric, CurveCursor Speed);

// The last events of a run, in bounded memory. Routine events have half of the places, so that they do not displace rare ones.
internal sealed class EventWindow(int capacity)
{
    public const int MaxText = 500; // Characters of an event's text; longer texts are cut

    private readonly Queue<LiveEvent> _routine = [];
    private readonly Queue<LiveEvent> _rare = [];

    public long Added { get; private set; } // Number of events so far, and so the number of the last one

    public void Add(RunEvent happened)
    {
        var text = happened.Text.Length <= MaxText ? happened.Text : happened.Text[..MaxText] + "…";
        var places = happened.Kind is RunEventKind.Checkpoint or RunEventKind.Generation ? _routine : _rare;
        places.Enqueue(new(++Added, happened.At, happened.Step, happened.Kind, happened.Worker, text));
        if (places.Count > capacity / 2) places.Dequeue();
    }

    /// <param name="number">Number of the last event to leave out.</param>
    public IReadOnlyList<LiveEvent> Since(long number) =>
        number == Added ? [] : [.. _routine.Concat(_rare).Where(held => held.Number > number).OrderBy(held => held.Number)];
}

internal enum WorkerPresence { Here, Lost, Left, Refused }

/// <param name="Progress">Its last progress.</param>
/// <param name="Since">When it left; null while it is here.</param>
/// <param name="StartsAgain">Whether the coordinator restarts it.</param>
internal sealed record LiveWorker(WorkerPresence Presence, WorkerProgress Progress, DateTimeOffset? Since = null, bool StartsAgain = false);

/// <summary>The present workers of a run, and the last <paramref name="maxGone"/> that left.</summary>
internal sealed class WorkerList(int maxGone)
{
    private readonly List<LiveWorker> _gone = [];
    private readonly Dictionary<string, WorkerProgress> _known = new(StringComparer.Ordinal);
    private IReadOnlyList<WorkerProgress> _here = [];

    /// <summary>A worker that is back is listed as present only.</summary>
    public IReadOnlyList<LiveWorker> Rows
    {
        get
        {
            var here = _here.Select(worker => worker.Name).ToHashSet(StringComparer.Ordinal);
            return [
                .. _here.Select(worker => new LiveWorker(WorkerPresence.Here, worker)),
                .. _gone.Where(worker => !here.Contains(worker.Progress.Name)),
            ];
        }
    }

    public void Progressed(IReadOnlyList<WorkerProgress> here)
    {
        _here = here;
        foreach (var worker in here) _known[worker.Name] = worker;
        // Bounds the memory: a worker may disappear without an event.
        if (_known.Count <= here.Count + maxGone) return;
        foreach (var name in _known.Keys.Except(here.Select(worker => worker.Name), StringComparer.Ordinal).ToList()) _known.Remove(name);
    }

    public void Happened(RunEvent happened)
    {
        if (happened.Kind == RunEventKind.Restarted)
        {
            var at = _gone.FindIndex(worker => worker.Progress.Name == happened.Worker);
            if (at >= 0) _gone[at] = _gone[at] with { StartsAgain = true };
            return;
        }
        WorkerPresence? presence = happened.Kind switch
        {
            RunEventKind.Joined => WorkerPresence.Here,
            RunEventKind.Lost => WorkerPresence.Lost,
            RunEventKind.Left => WorkerPresence.Left,
            RunEventKind.Refused => WorkerPresence.Refused,
            _ => null,
        };
        if (presence is null || happened.Worker is not { } name) return;
        _gone.RemoveAll(worker => worker.Progress.Name == name);
        if (presence == WorkerPresence.Here) return;
        _gone.Add(new(presence.Value, _known.GetValueOrDefault(name) ?? new(name, "", "", 0, 0, 0, 0, 0), happened.At));
        _known.Remove(name);
        if (_gone.Count > maxGone) _gone.RemoveAt(0);
    }
}
