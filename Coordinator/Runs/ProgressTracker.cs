using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Runs;

/// <summary>Derives the phase, the speed, the time left and what each worker does from the reports. Used by one thread at a time.</summary>
internal sealed class ProgressTracker(int epochs, TrainingMetrics metrics)
{
    private const double SpeedSmoothing = 0.05;

    private readonly ArrivalWatch _arrivals = new();
    private readonly Dictionary<string, RoundReport> _lastReports = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, (string Device, MemberStatus Status)> _workers = new(StringComparer.Ordinal);
    private (double Loss, int Samples) _epoch;
    private double _secondsPerSample;
    private int _generation;

    public string Phase { get; set; } = "waiting for workers";

    /// <summary>The mean loss over the samples of the current epoch so far.</summary>
    public double TrainLoss => _epoch.Samples == 0 ? 0 : _epoch.Loss / _epoch.Samples;

    public void Begin(Plan plan)
    {
        (Phase, _generation) = ("training", plan.Generation);
        _arrivals.Begin(plan.Workers);
        metrics.GenerationBegan(plan.Generation);
    }

    public void Set(IEnumerable<(string Id, string Device, MemberStatus Status)> workers)
    {
        foreach (var (id, device, status) in workers) _workers[id] = (device, status);
    }

    public void Remove(string worker)
    {
        _workers.Remove(worker);
        _lastReports.Remove(worker);
        metrics.Members.Gone(worker);
    }

    public void Report(string worker, RoundReport report)
    {
        _lastReports[worker] = report;
        metrics.Members.Computed(worker, report.MicroBatches);
        var behind = _arrivals.Waited(worker, report.Round, report.Times.Wait);
        for (var i = 0; i < behind.Length; i++) metrics.Members.Behind(_arrivals.Workers[i], behind[i]);
    }

    public void AddLoss(Round round, double loss) =>
        _epoch = round.First == 0 ? (loss, round.Samples) : (_epoch.Loss + loss, _epoch.Samples + round.Samples);

    /// <summary>Adds the duration of a training round and returns its samples per second.</summary>
    public double AddSpeed(Round round, in RoundTimes times)
    {
        var seconds = times.Total / round.Samples;
        _secondsPerSample += (_secondsPerSample == 0 ? 1 : SpeedSmoothing) * (seconds - _secondsPerSample);
        return 1 / seconds;
    }

    public TrainingProgress Show(RunCurves curves, Rounds? rounds, RunLedger? ledger)
    {
        metrics.Workers(_workers.Values.CountBy(worker => worker.Status)
            .ToDictionary(state => state.Key.ToString().ToLowerInvariant(), state => state.Value));
        var timeLeft = TimeLeft(ledger);
        metrics.TimeLeft(timeLeft);
        return new()
        {
            Phase = Phase,
            Epoch = curves.LastStep?.Epoch ?? 0,
            Epochs = epochs,
            Step = curves.LastStep?.Step ?? 0,
            Steps = rounds?.Steps ?? 0,
            Loss = curves.LastStep?.Loss,
            TestMetric = curves.LastEvaluation?.TestMetric,
            SamplesPerSecond = _secondsPerSample > 0 ? 1 / _secondsPerSample : 0,
            TimeLeft = timeLeft,
            Generation = _generation,
            Workers = [.. _workers.Select(worker => Show(worker.Key, worker.Value.Device, worker.Value.Status))],
        };
    }

    private TimeSpan? TimeLeft(RunLedger? ledger)
    {
        if (_secondsPerSample <= 0) return null;
        var seconds = (ledger!.SamplesExpected - ledger.SamplesApplied) * _secondsPerSample;
        return seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    private WorkerProgress Show(string worker, string device, MemberStatus status)
    {
        var doing = status switch
        {
            MemberStatus.Preparing => "preparing",
            MemberStatus.Ready => "ready",
            MemberStatus.Halted => "stopped",
            MemberStatus.Syncing => "catching up",
            _ => "training",
        };
        if (!_lastReports.TryGetValue(worker, out var report)) return new(worker, device, doing, 0, 0, 0, 0, 0);
        var times = report.Times;
        var total = Math.Max(times.Total, double.Epsilon);
        return new(worker, device, doing, times.Compute / total, times.Send / total, times.Wait / total, times.Apply / total,
            report.MicroBatches);
    }
}
