using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Worker.Cluster;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Replicas;

namespace Distributed.Worker.Tests.Actors;

/// <summary>How a worker ends, and what it keeps for its return.</summary>
[Collection(TorchTests.Name)]
public sealed class WorkerActorEndTests(TwoNodes nodes) : WorkerActorTestBase(nodes), IClassFixture<TwoNodes>
{
    [Fact]
    public async Task A_worker_that_is_refused_ends_with_the_reason()
    {
        Start();
        Next<Register>();
        Coordinator.Reply(new Refused("its name is not allowed", MayReturn: false));
        Assert.Equal(new(1, "the coordinator turned this worker away: its name is not allowed"), await End.Task.Soon());
    }

    [Fact]
    public async Task A_worker_that_is_refused_after_its_admission_ends_with_the_reason()
    {
        StartAndPrepare();
        Tell(new Refused("its data differs", MayReturn: false));
        Assert.Equal(new(1, "the coordinator turned this worker away: its data differs"), await End.Task.Soon());
    }

    [Fact]
    public async Task A_worker_that_is_dismissed_ends_with_exit_code_0()
    {
        StartAndPrepare();
        Tell(new Dismissed("the job is done"));
        Assert.Equal(new(0, "the job is done"), await End.Task.Soon());
        await Link.Closed.Soon();
    }

    [Fact]
    public async Task A_worker_that_loses_its_link_keeps_its_replica_and_is_admitted_again_with_it()
    {
        using var byHand = new LocalTraining(Job);
        var session = await LoseLinkAsync(byHand);
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(Job));
        Start(session: session);
        var offer = Next<Register>();
        Assert.Equal(("w7", new Holding(1, 1)), (offer.Name, offer.Holding));
        Assert.Equal(Link.Token, offer.Token);
        Welcome(link: link, token: link.Token, isAdopted: true);

        Assert.Equal(new Holding(1, 1), Assert.IsType<Prepared>(NextButOffers()).Holding);
        // The worker repeats what the former coordinator may not have received.
        Assert.Equal(0, Assert.Single(Next<RoundsApplied>().Rounds).Round);
        Tell(new Halt(5));
        Assert.Equal(new Halted(5, 1, byHand.Replica.Digest()), Next<Halted>());
        Tell(new SendState(5));
        Assert.Equal(byHand.Replica.Serialize(), link.NextFrame().Payload);
    }

    [Fact]
    public async Task A_worker_whose_replica_failed_without_a_link_ends_with_the_reason()
    {
        using var byHand = new LocalTraining(Job);
        var session = await LoseLinkAsync(byHand);
        session.Replica.Begin(new(2, 1, 2, ["somebody else"], Topology.Star), []);
        await session.Replica.Completion.Soon();
        Start(session: session);
        Assert.Equal(new(1, "generation 2 has no part for w7"), await End.Task.Soon());
    }

    [Fact]
    public async Task A_worker_that_is_admitted_without_its_replica_starts_a_new_one()
    {
        using var byHand = new LocalTraining(Job);
        var session = await LoseLinkAsync(byHand);
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(Job));
        Start(session: session);
        Next<Register>();
        Welcome(link: link, token: link.Token);
        Assert.Equal(default, Assert.IsType<Prepared>(NextButOffers()).Holding);
        Tell(new Halt(5));
        Assert.Equal((5, 0), Next<Halted>() is var halted ? (halted.Generation, halted.Applied) : default);
    }

    [Fact]
    public async Task A_worker_that_may_return_keeps_its_replica()
    {
        StartAndPrepare();
        Tell(new Refused("it did not answer", MayReturn: true));
        var end = await End.Task.Soon();
        Assert.Equal((1, "the coordinator turned this worker away: it did not answer", true), (end.ExitCode, end.Reason, end.MayReturn));
        end.Session!.Dispose();
        await end.Session.Replica.Completion.Soon();
    }

    [Fact]
    public async Task The_reason_for_a_closed_link_may_arrive_after_the_link_closes()
    {
        StartAndPrepare();
        Link.Close("gone");
        Tell(new Dismissed("the job is done"));
        Assert.Equal(new(0, "the job is done"), await End.Task.Soon());
    }

    [Fact]
    public async Task A_worker_whose_coordinator_is_gone_may_return()
    {
        StartAndPrepare();
        Nodes.Coordinator.Stop(Coordinator.Ref);
        var end = await End.Task.Soon();
        Assert.Equal(("the coordinator is gone", true), (end.Reason, end.MayReturn));
        end.Session!.Dispose();
    }

    [Fact]
    public async Task A_worker_that_is_stopped_ends_with_that_reason()
    {
        StartAndPrepare();
        Nodes.Worker.Stop(Actor);
        Assert.Equal(new(1, "the worker was stopped"), await End.Task.Soon());
        await Link.Closed.Soon();
    }

    /// <summary>The worker applies a round, and then loses its link.</summary>
    private async Task<WorkerSession> LoseLinkAsync(LocalTraining byHand)
    {
        StartAndPrepare();
        Tell(new BeginPlan(1, 0, 2, ["w7"], Topology.Star, [], [], []));
        Reduce(byHand, 1, 0);
        Next<RoundsApplied>();
        Link.Close("gone");
        var lost = await End.Task.Soon();
        Assert.StartsWith("the link to the coordinator was lost: ", lost.Reason, StringComparison.Ordinal);
        Assert.True(lost.MayReturn);
        return lost.Session!;
    }
}
