using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>How a coordinator executes the effects of its protocol.</summary>
internal sealed partial class SimulatedCoordinator
{
    private void Execute(ClusterEffect effect)
    {
        _simulation.Census.Count(effect);
        switch (effect)
        {
            case ClusterEffect.Welcome welcome:
                Welcome(welcome);
                break;
            case ClusterEffect.Open open:
                Assert.Equal(_simulation.Rounds, open.Rounds);
                Open(open.Rounds);
                break;
            case ClusterEffect.Halt halt:
                if (halt.Generation == 1) Assert.True(InPlay.Count() >= Cluster.StartWith);
                Tell(halt.Worker, new Halt(halt.Generation));
                break;
            case ClusterEffect.Begin begin:
                Begin(begin);
                break;
            case ClusterEffect.Transfer transfer:
                Assert.Equal(InPlay.Max(m => m.Applied), Cluster.Members[transfer.Donor].Applied);
                var isFirst = Expect(transfer.Donor, transfer.Generation, (applied, state) =>
                    Link(transfer.Receiver, w => w.Receive(transfer.Generation, applied, state)));
                if (isFirst) Tell(transfer.Donor, new SendState(transfer.Generation));
                break;
            case ClusterEffect.Load load:
                Assert.All(InPlay, m => Assert.True(m.Applied < Cluster.Stored!.Applied));
                Books.Load(load.Generation, load.State, _simulation.Random,
                    (applied, state) => Link(load.Receiver, w => w.Receive(load.Generation, applied, SimulatedState.Of(state))),
                    why => Decide(new ClusterEvent.Damaged(load.Generation, Books.Newest, why)));
                break;
            case ClusterEffect.Dismiss dismiss:
                Tell(dismiss.Worker, new Dismissed("it has asked to leave"));
                break;
            case ClusterEffect.Refuse refuse:
                Assert.True(_simulation.MayRefuse(refuse), refuse.Reason);
                _simulation.Refused.Add(refuse);
                _simulation.Unblock();
                Part(refuse.Worker, new Refused(refuse.Reason, refuse.MayReturn));
                break;
            case ClusterEffect.Collect collect:
                Assert.All(InPlay, m => Assert.Equal(_simulation.Rounds.Count, m.Applied));
                Expect(collect.Donor, collect.Generation, (applied, state) =>
                {
                    Assert.Equal(_simulation.Rounds.Count, applied);
                    _simulation.Lineage.Check(applied, state);
                    _result = state;
                    Decide(new ClusterEvent.Collected(Books.Recorder.Shortfall));
                });
                Tell(collect.Donor, new SendState(collect.Generation));
                break;
            case ClusterEffect.Save:
                Books.Finish(_result, () => Decide(new ClusterEvent.Saved()));
                break;
            case ClusterEffect.Finish:
                var report = Books.Recorder.Report("job", "", 1, Cluster.Generations, Cluster.StepsRedone);
                Assert.Equal(report.SamplesExpected, report.SamplesApplied);
                foreach (var worker in _workers.Keys.ToList()) Tell(worker, new Dismissed("the job is done"));
                break;
            case ClusterEffect.Announce announce when announce.Text.StartsWith("all workers are gone", StringComparison.Ordinal):
                _simulation.Census.Count(Cluster.Stored is null ? "all gone without a checkpoint" : "all gone with a checkpoint");
                break;
            case ClusterEffect.Announce announce
                when announce.Text.Contains("no other worker holds the newest parameters", StringComparison.Ordinal):
                _simulation.Census.Count("last holder waited for");
                break;
            case ClusterEffect.Fail fail:
                (Failure, FailureCause) = (fail.Reason, fail.Cause);
                break;
            default:
                break;
        }
    }

    private void Open(Rounds rounds)
    {
        Books.Recorder.Open(rounds);
        if (!_simulation.IsMesh) _star = new(_simulation, isCoordinator: true);
    }

    private void Begin(ClusterEffect.Begin begin)
    {
        AssertFits(begin.Plan);
        Assert.Equal(_simulation.IsMesh ? begin.Plan.Workers : [], begin.Endpoints.Select(e => e.Host));
        if (!_simulation.IsMesh)
        {
            _star!.Rounds.Begin(begin.Plan, Plan.Coordinator);
            _star.Enter(begin.Plan.FirstRound);
            _members = [.. begin.Plan.Workers.Select(worker => _workers[worker].Conversation)];
        }
        _simulation.Began(this, begin.Plan);
        Books.Begin(begin.Plan);
        _saver = (begin.Plan.Workers[0], begin.Plan.Generation);
        foreach (var worker in begin.Plan.Workers)
        {
            var plan = _simulation.Mistaken(begin.Plan, worker);
            Tell(worker, BeginPlan.Of(plan, [.. begin.Endpoints.Take(plan.Workers.Length)], Books.Best));
        }
    }

    private void AssertFits(Plan plan)
    {
        Assert.True(plan.Workers.Length >= Cluster.MinWorkers, $"a plan for {plan.Workers.Length} workers");
        Assert.Equal(InPlay.Select(m => m.Id), plan.Workers);
        Assert.Equal(_simulation.Rounds.Count, plan.EndRound);
        var live = _simulation.Alive.Where(w => plan.Includes(w.Id) && w.IsWith(this)).ToList();
        Assert.All(live, worker => Assert.Equal((plan.FirstRound, live[0].State), (worker.Applied, worker.State)));
        // The ledger has the reports of all rounds before the plan.
        Assert.True(Entered >= plan.FirstRound, $"the plan begins at round {plan.FirstRound}, {Entered} are entered");
    }

    private void Part(string worker, ICoordinatorMessage farewell)
    {
        if (!_workers.Remove(worker, out var there)) return;
        _parting[there.Worker] = there.Conversation;
        there.Conversation.Say(farewell);
        Send(there.Worker, there.Conversation);
        there.Worker.CloseLink(this);
    }
}
