using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

// Executes the effects that begin a generation or collect the final state. Used by the thread of the coordinator's actor.
internal sealed class Orders(
    CoordinatorContext run, ConnectedWorkers workers, CheckpointWriter checkpoints, ILoggingAdapter log, IActorRef coordinator)
{
    /// <summary>Ignores other effects.</summary>
    public void Execute(ClusterEffect effect, string reason)
    {
        switch (effect)
        {
            case ClusterEffect.Open open:
                run.Links.Open(open.Facts, open.Rounds);
                run.Recorder.Open(open.Rounds);
                break;
            case ClusterEffect.Halt halt:
                workers.Tell(halt.Worker, new Halt(halt.Generation));
                break;
            case ClusterEffect.Transfer transfer:
                if (run.Links.PassOn(transfer.Donor, transfer.Receiver, transfer.Generation))
                    workers.Tell(transfer.Donor, new SendState(transfer.Generation));
                break;
            case ClusterEffect.Load load:
                checkpoints.Load(load.Receiver, load.Generation, load.State);
                break;
            case ClusterEffect.Begin begin:
                Begin(begin, reason);
                break;
            case ClusterEffect.Collect collect:
                run.Links.EndReduction();
                run.Links.ExpectState(collect.Donor, collect.Generation,
                    (_, state) => coordinator.Tell(new CoordinatorNotice.StateCollected(state)));
                run.Recorder.Phase("saving");
                workers.Tell(collect.Donor, new SendState(collect.Generation));
                break;
        }
    }

    private void Begin(ClusterEffect.Begin begin, string reason)
    {
        var plan = begin.Plan;
        if (plan.Topology == Topology.Star) run.Links.Begin(plan);
        log.Info("Generation {0} ({1}): from round {2} with {3}", plan.Generation, reason, plan.FirstRound,
            string.Join(", ", plan.Workers));
        run.Recorder.Happened(RunEventKind.Generation, $"generation {plan.Generation}: {reason}", workers: plan.Workers);
        run.Recorder.Started(plan);
        checkpoints.Begin(plan);
        run.Links.ExpectCheckpoints(plan.Workers[0], plan.Generation,
            (applied, state) => coordinator.Tell(new CoordinatorNotice.CheckpointArrived(applied, state)));
        var message = BeginPlan.Of(plan, begin.Endpoints, run.Checkpoints.Best?.TestMetric ?? double.NaN);
        foreach (var worker in plan.Workers) workers.Tell(worker, message);
    }
}
