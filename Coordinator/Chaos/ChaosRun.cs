using System.Collections.Immutable;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Chaos;

/// <param name="HasEnded">Whether the job was trained to its end.</param>
/// <param name="CarriedOut">Faults that happened before the job ended.</param>
internal sealed record ChaosOutcome(bool HasEnded, int CarriedOut, IReadOnlyList<string> Failures);

internal sealed class ChaosRun : IAsyncDisposable
{
    private const string Name = "disturbed";

    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan _endTimeout = TimeSpan.FromSeconds(10);
    private readonly ChaosFolder _folder;
    private readonly ChaosWorkers _workers;
    private readonly ImmutableArray<ChaosFault> _faults;
    private readonly long _seed;
    private readonly TimeProvider _time;
    private readonly DateTimeOffset _startedAt;
    private readonly HashSet<string> _told = [];
    private TrainProcess _coordinator;
    private int _carriedOut;
    private int _waiting = -1;
    private long _restartedAt = -1;

    /// <param name="workers">Empty; the run starts and stops them.</param>
    public ChaosRun(
        ChaosFolder folder, IEnumerable<string> arguments, ChaosWorkers workers, ImmutableArray<ChaosFault> faults, long seed,
        TimeProvider time)
    {
        (_folder, _workers, _faults, _seed, _time, _startedAt) = (folder, workers, faults, seed, time, time.GetUtcNow());
        _coordinator = new(Name, arguments, folder.LogOf(Name));
    }

    public async Task<ChaosOutcome> RunAsync(int workers, CancellationToken stopping)
    {
        var guard = new StallGuard(_time);
        using var timer = new PeriodicTimer(_interval, _time);
        var (isListening, eventsRead) = (false, 0L);
        while (!_coordinator.Exit.IsCompleted)
        {
            if (!isListening && IsListening())
            {
                isListening = true;
                for (var i = 0; i < workers; i++) _workers.Start();
            }
            var step = isListening ? HistoryTail.LastStep(_folder.Disturbed) : 0;
            if (guard.IsStalledAt(step))
                throw new ChaosException(1, $"the disturbed run has made no progress at step {step} for "
                    + $"{StallGuard.Timeout.TotalSeconds} s (see {_folder.Logs})");
            if (isListening) eventsRead = ReadEvents(eventsRead);
            foreach (var thawed in _workers.Thaw(_time)) Tell(step, $"{thawed} continues");
            TellNew(_workers.Failures(isOver: false));
            while (_carriedOut < _faults.Length && _faults[_carriedOut].Step <= step
                && await CarryOutAsync(_faults[_carriedOut], step).ConfigureAwait(false))
                _carriedOut++;
            await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false);
        }
        return await EndAsync(stopping).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await using var workers = _workers.ConfigureAwait(false);
        await _coordinator.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<ChaosOutcome> EndAsync(CancellationToken stopping)
    {
        var exit = await _coordinator.Exit.ConfigureAwait(false);
        var isOver = exit.ExitCode == 0;
        if (isOver)
        {
            await _workers.EndAsync(_endTimeout, stopping).ConfigureAwait(false);
            foreach (var late in _workers.Candidates.Where(worker => !worker.TakesPart))
                Console.WriteLine($"{late.Name} was still joining when the job ended");
        }
        List<string> failures = [.. _workers.Failures(isOver)];
        if (!isOver)
            failures.Insert(0, $"the coordinator ended with exit code {exit.ExitCode}: {exit.LastError ?? "it gave no reason"} "
                + $"(see {exit.LogPath})");
        TellNew(failures);
        return new(isOver, _carriedOut, failures);
    }

    /// <summary>The coordinator writes its state once it listens. An older file is of an earlier check.</summary>
    private bool IsListening() =>
        File.GetLastWriteTimeUtc(Path.Combine(_folder.Disturbed, RunFolder.StateName)) >= _startedAt.UtcDateTime;

    /// <summary>Marks the workers that have been planned since the last call.</summary>
    private long ReadEvents(long from) => RunEvent.ReadAll(
        LocalDisk.Instance, Path.Combine(_folder.Disturbed, RunFiles.Events), happened => _workers.TakePart(happened.Workers ?? []), from);

    /// <returns>False while it cannot be done yet.</returns>
    private async Task<bool> CarryOutAsync(ChaosFault fault, long step)
    {
        switch (fault.Kind)
        {
            case ChaosKind.Join:
                Tell(step, $"started {_workers.Start()}");
                return true;
            case ChaosKind.KillAllWorkers:
                return KillAll(step);
            case ChaosKind.RestartCoordinator:
                return await RestartAsync(step).ConfigureAwait(false);
            // A worker can leave only once the restarted coordinator has made progress.
            case ChaosKind.Drain when step <= _restartedAt:
                return false;
            default:
                return Hit(fault, step);
        }
    }

    /// <summary>No worker keeps the parameters: the new ones get them from the newest checkpoint, or begin from the start.</summary>
    private bool KillAll(long step)
    {
        ImmutableArray<string> killed = [.. _workers.Candidates.Select(worker => worker.Name).Where(name => _workers[name].Kill())];
        if (killed.IsEmpty) return false;
        Tell(step, $"killed all {killed.Length} worker(s), and started {string.Join(", ", killed.Select(_ => _workers.Start()))}");
        return true;
    }

    private bool Hit(ChaosFault fault, long step)
    {
        if (ChaosVictim.Choose(fault.Kind, _workers.Candidates, _seed, _carriedOut) is not { } victim)
        {
            if (_waiting != _carriedOut) Tell(step, $"{fault} waits until another worker takes part{Replacement()}");
            _waiting = _carriedOut;
            return false;
        }
        var worker = _workers[victim];
        var (isDone, what) = fault.Kind switch
        {
            ChaosKind.KillWorker => (worker.Kill(), $"killed {victim}"),
            ChaosKind.FreezeWorker => (worker.Freeze(fault.Duration, _time), $"froze {victim} for {ChaosFault.TextOf(fault.Duration)}"),
            _ => (worker.Drain(), $"asked {victim} to leave"),
        };
        if (isDone) Tell(step, fault.Kind == ChaosKind.FreezeWorker ? what : what + Replacement());
        return isDone;
    }

    private string Replacement() =>
        _workers.Candidates.Count(worker => worker.IsLive) < ChaosVictim.MinLive ? $", and started {_workers.Start()}" : "";

    private async Task<bool> RestartAsync(long step)
    {
        if (!await _coordinator.KillAsync().ConfigureAwait(false)) return false;
        await _coordinator.DisposeAsync().ConfigureAwait(false);
        _coordinator = new(Name, ["--resume", "--run", _folder.Disturbed, "--workers", "0"], _folder.LogOf(Name));
        _restartedAt = step;
        Tell(step, "killed the coordinator, and resumed its run");
        return true;
    }

    private void TellNew(IEnumerable<string> failures)
    {
        foreach (var failure in failures.Where(_told.Add)) Console.WriteLine(failure);
    }

    private static void Tell(long step, string what) => Console.WriteLine($"step {step}: {what}");
}
