using System.Collections.Immutable;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>The faults.</summary>
internal sealed partial class ClusterSimulation
{
    /// <summary>The first worker of a run that is to fail for a cause.</summary>
    private static Misfit MisfitFor(FailureCause? expected) => expected switch
    {
        FailureCause.BatchTooLarge => Misfit.SmallData,
        FailureCause.Mismatch => Misfit.OtherBits,
        FailureCause.Records => Misfit.OtherReports,
        _ => Misfit.None,
    };

    /// <summary>Whether a worker that looks for a coordinator gives up for good.</summary>
    public bool MayGiveUp() => Cluster.IsOpen && _starter is null && Random.Next(500) == 0;

    /// <summary>Whether a worker's data, model or device fails, so that it ends for good.</summary>
    public bool MayFail(SimulatedWorker worker) => Cluster.IsOpen && HasMistakes && worker.Applied == 0 && Random.Next(20) == 0;

    /// <summary>Whether a connection to the coordinator cannot be made.</summary>
    public bool MayFailToConnect() => Cluster.IsOpen && Random.Next(50) == 0;

    /// <summary>Whether the coordinator has a reason to refuse a worker in this simulation.</summary>
    public bool MayRefuse(ClusterEffect.Refuse refuse) => _misfits.Contains(refuse.Worker) || refuse.Cause
        is RefusalCause.JobDone or RefusalCause.RolledBack or RefusalCause.Unreported
        or RefusalCause.NoAnswer or RefusalCause.ResultMissing or RefusalCause.Unreachable;

    /// <summary>The plan that the coordinator tells a worker, perhaps by mistake one that the worker cannot follow.</summary>
    public Plan Mistaken(Plan plan, string worker)
    {
        if (!HasMistakes || Random.Next(30) > 0) return plan;
        if (Random.Next(2) == 0 && plan.Workers.Length > 1) return plan with { Workers = plan.Workers.Remove(worker), Shares = [] };
        return plan.FirstRound + 1 < plan.EndRound ? plan with { FirstRound = plan.FirstRound + 1 } : plan;
    }

    private void Fault()
    {
        if (Expected == FailureCause.AllLost)
        {
            if (Cluster.Reached == 0) return;
            foreach (var worker in _workers.Values.ToList()) End(worker, WorkerEnding.Killed);
            return;
        }
        if (HasMistakes && _starter is null && Cluster.Facts is not null && Random.Next(4) == 0)
        {
            Join((Misfit)Random.Next((int)Misfit.Sizes, (int)Misfit.LosesReports + 1));
            return;
        }
        if (_starter is not null && Random.Next(3) == 0)
        {
            KillAll();
            return;
        }
        if (!Rounds.Relaxed && Random.Next(4) == 0 && Cluster.Plan is { } plan)
        {
            var shares = plan.Workers.ToImmutableDictionary(w => w, w => w == plan.Workers[0] ? 1 : Random.Next(4));
            Current.Decide(new ClusterEvent.Unbalanced(shares, "somebody is slow"));
            return;
        }
        if (Cluster.IsOpen && Random.Next(3) == 0)
        {
            FaultOfControl();
            return;
        }
        switch (Random.Next(IsMesh ? 5 : 3))
        {
            case 0:
                if (_starter is null) Join();
                break;
            case 1:
                // The only worker that holds the parameters would stay and wait for others, which nothing starts.
                if (_starter is not null
                    && (_maxRestarts < RestartPolicy.Most || Cluster.Generation == 0 || --_leaves < Cluster.MinWorkers)) break;
                if (Cluster.IsOpen && _starter is null
                    && AnyOf([.. _workers.Values.Where(w => !w.IsPrepared && Random.Next(3) == 0)]) is { } joining)
                {
                    joining.Leave();
                    break;
                }
                // The coordinator may let this worker go before it notices that another is dead.
                AnyOf([.. Expendable().Where(w => w.IsPrepared && !w.IsLeaving)])?.Leave();
                break;
            case 2:
                if (AnyOf([.. Expendable()]) is { } victim) End(victim, WorkerEnding.Killed);
                break;
            default:
                var links = _workers.Values.SelectMany(w => w.Links.Values)
                    .Where(l => !l.IsBroken && _breaks.GetValueOrDefault(l.Pair) < ClusterProtocol.MaxBreaks - 1)
                    .Distinct().ToList();
                if (AnyOf(links) is not { } link) break;
                _breaks[link.Pair] = _breaks.GetValueOrDefault(link.Pair) + 1;
                link.Break(Random);
                break;
        }
    }

    /// <summary>Kills all workers at once, or all but one, which freezes and may hold rounds that no other holds.</summary>
    private void KillAll()
    {
        var spared = Random.Next(2) == 0 ? AnyOf([.. _workers.Values.Where(w => w.IsPrepared && w.Applied > 0)]) : null;
        if (spared is not null) spared.IsFrozen = true;
        Census.Count(spared is null ? "all workers killed" : "last holder frozen");
        foreach (var worker in _workers.Values.Where(w => w != spared).ToList()) End(worker, WorkerEnding.Killed);
    }

    private void FaultOfControl()
    {
        switch (Random.Next(4))
        {
            case 0:
                if (AnyOf([.. _workers.Values.Where(w => w.IsPrepared)]) is { } frozen) frozen.IsFrozen = true;
                break;
            case 1:
                if (AnyOf([.. _workers.Values.Where(w => !w.IsCut)]) is { } unlinked && unlinked.Cut() is { } coordinator)
                    _closed.Add((unlinked.Id, coordinator));
                break;
            case 2:
                FaultOfDisk();
                break;
            default:
                if (!Current.IsOver) Restart();
                break;
        }
    }

    private void FaultOfDisk()
    {
        switch (Random.Next(6))
        {
            case < 3:
                Folder.Fail();
                break;
            case < 5:
                Folder.KillAtCall();
                break;
            default:
                if (Folder.IsFinished) break;
                Folder.Damage();
                Restart();
                break;
        }
    }

    /// <summary>
    /// The coordinator's process is killed; or its machine loses power, with or without all workers; or the coordinator loses the folder
    /// to another machine and goes on for a while, which an exact job allows, since its rounds have the same bits. Another coordinator
    /// continues from the files once the disk is writable.
    /// </summary>
    private void Restart(bool isKilled = false)
    {
        EndFormer();
        var (killed, recorded, had) = (Current, Current.Entered, Current.Cluster.Generation);
        Census.Count(Rounds.Relaxed ? "relaxed job restarted" : "exact job restarted");
        if (!isKilled && !Rounds.Relaxed && _starter is null && Random.Next(2) == 0 && !Folder.IsFinished)
        {
            Folder.MoveAway();
            _former = killed;
            HadTwo = true;
            Census.Count("two coordinators at once");
        }
        else
        {
            if (Random.Next(2) == 0) CutPower();
            foreach (var worker in _workers.Values) worker.CloseLink(killed);
            _closed.RemoveAll(closed => closed.Coordinator == killed);
        }
        if (_starter is not null)
        {
            // The workers that the coordinator started end with it.
            Census.Count("coordinator ended with its workers");
            foreach (var worker in _workers.Values.ToList()) End(worker, WorkerEnding.Killed);
        }
        Folder.EndProcess();
        if (Folder.IsFinished)
        {
            // The coordinator accepts no worker any more; the remaining workers give up by themselves.
            Census.Count("killed when the result was written");
            _isFinishedWithoutFarewell = true;
            return;
        }
        Current = new(this, SimulatedBooks.Resume(this), killed.Cluster.StartWith, isOpen: true);
        if (_starter is not null) StartLocal(_starter.Names.Count);
        Folder.TakenUp(Current.Books.Found, Current.Books.Begun, recorded);
        if (Current.Cluster.Generation < had) Census.Count("generation behind that of the workers");
        if (_workers.Values.Any(w => w.Applied > Current.Entered)) Census.Count("workers ahead of the records");
    }

    private void CutPower()
    {
        Folder.CutPower();
        Census.Count("power cut");
        if (_workers.Values.Any(w => w.Applied > Current.Entered)) Census.Count("power cut with workers ahead");
        if (Random.Next(2) > 0) return;
        _areAllNew = true;
        foreach (var worker in _workers.Values.ToList()) End(worker);
    }

    /// <summary>Each worker whose loss leaves another with the newest parameters; a mesh can redo its last round.</summary>
    private IEnumerable<SimulatedWorker> Expendable()
    {
        if (Cluster.IsOpen) return _workers.Values;
        var needed = IsMesh ? _highest - 1 : _highest;
        var all = _workers.Values.Where(w => w.IsPrepared).ToList();
        return all.Where(w => all.Any(o => o != w && !o.IsLeaving && o.Applied >= needed));
    }
}
