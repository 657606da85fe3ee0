using Akka.Event;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

/// <summary>What the coordinator's actor does for each effect of <see cref="ClusterProtocol"/>, and how a run ends.</summary>
internal sealed partial class CoordinatorActor
{
    private void Execute(ClusterEffect effect)
    {
        switch (effect)
        {
            case ClusterEffect.Welcome welcome:
                Welcome(welcome);
                break;
            case ClusterEffect.Refuse refuse:
                _run.Recorder.Happened(RunEventKind.Refused, $"{refuse.Worker} was turned away: {refuse.Reason}", refuse.Worker);
                if (!refuse.MayReturn) _local.Refused(refuse.Worker);
                if (_workers.Remove(refuse.Worker, new Refused(refuse.Reason, refuse.MayReturn)) is { } refused)
                    _log.Warning("{0} refused: {1}", Context.Unwatch(refused).Path, refuse.Reason);
                Forget(refuse.Worker);
                _drains.Settle(refuse.Worker, DrainResult.Failed, $"{refuse.Worker} was turned away: {refuse.Reason}");
                break;
            case ClusterEffect.Dismiss dismiss:
                var isAsked = _drains.IsAsked(dismiss.Worker);
                var left = $"{dismiss.Worker} has left, as it {(isAsked ? "was asked" : "asked")} to";
                _run.Recorder.Happened(RunEventKind.Left, left, dismiss.Worker);
                _workers.Tell(dismiss.Worker, new Dismissed(isAsked ? Drained : "it has asked to leave"));
                _drains.Settle(dismiss.Worker, DrainResult.Left, left);
                break;
            case ClusterEffect.HoldBack held:
                var stays = $"{held.Worker} wants to leave, but no other worker holds the parameters: it stays until another has them";
                _run.Recorder.Happened(RunEventKind.Note, stays, held.Worker);
                _drains.Settle(held.Worker, DrainResult.HeldBack, stays);
                break;
            case ClusterEffect.Save:
                _result.Write();
                break;
            case ClusterEffect.Finish:
                _run.Recorder.Happened(RunEventKind.Finished, "the job is done");
                SayGoodbye("the job is done");
                break;
            case ClusterEffect.Fail fail:
                if (fail.Cause == FailureCause.Mismatch) _run.Metrics.Cluster.DigestDiffered();
                Fail(fail.Reason);
                break;
            case ClusterEffect.Announce announce:
                _run.Recorder.Happened(announce.Lost is null ? RunEventKind.Note : RunEventKind.Lost, announce.Text, announce.Lost);
                break;
            default:
                _orders.Execute(effect, _cluster.Generations is [.., var newest] ? newest.Reason : "");
                break;
        }
    }

    /// <summary>The links stay open until the workers have heard that nothing is wrong.</summary>
    private void SayGoodbye(string reason)
    {
        Timers.StartSingleTimer("farewell", new CoordinatorNotice.Overdue(), _farewell);
        _drains.SettleAll(DrainResult.Left, worker => $"{worker} leaves: {reason}");
        var farewell = new Farewell(
            _run, _workers, _watches, _log, new Dismissed(reason), new(DrainResult.Left, $"all workers leave: {reason}"));
        farewell.Say();
        Become(() => ReceiveAny(message =>
        {
            farewell.Answer(message, Sender);
            EndWhenAlone(message is CoordinatorNotice.Overdue);
        }));
        EndWhenAlone(isOverdue: false);
    }

    private void EndWhenAlone(bool isOverdue)
    {
        if (isOverdue || _workers.Names.Count == 0) _run.Result.TrySetResult(_result.Result!);
    }

    private void Fail(string reason) =>
        End(RunEventKind.Failed, reason, reason, new Refused($"the job failed: {reason}", MayReturn: false));

    /// <summary>The workers are not told: to them it is a coordinator that was killed.</summary>
    private void StepAside(string reason) =>
        End(RunEventKind.Note, "the coordinator was told to stop; another one takes its place", reason, null);

    private void End(RunEventKind kind, string happened, string reason, Refused? said)
    {
        var drained = said?.Reason ?? reason;
        var farewell = new Farewell(_run, _workers, _watches, _log, said, new(DrainResult.Failed, drained));
        farewell.Say();
        _drains.SettleAll(DrainResult.Failed, _ => drained);
        try
        {
            _run.Recorder.Happened(kind, happened);
        }
        finally
        {
            // Also where the event could not be written: the caller waits for the end.
            _run.Result.TrySetException(new RunFailedException(reason));
        }
        Become(() => ReceiveAny(message => farewell.Answer(message, Sender)));
    }

    private void Welcome(ClusterEffect.Welcome welcome)
    {
        if (!welcome.IsAdopted && _run.Initial is { } initial) _run.Links.SendInitial(welcome.Worker, initial.File);
        _workers.Welcome(welcome.Worker, new(
            welcome.Worker, _run.Job, _run.LinkHost, _run.Links.Port, _run.Links.Token, welcome.IsAdopted, _run.Recorder.Entered,
            _run.Initial?.File.Length ?? 0, _run.Initial?.IsStrict ?? true));
    }
}
