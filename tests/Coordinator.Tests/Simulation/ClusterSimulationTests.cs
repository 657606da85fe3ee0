using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

public sealed class ClusterSimulationTests
{
    private static readonly Gen<(int Seed, Rounds Rounds, int Workers, int MinWorkers, int Faults)> _anyCluster =
        from seed in Gen.Int
        from train in Gen.Int[4, 20]
        from test in Gen.Int[0, 300]
        from epochs in Gen.Int[1, 3]
        from batch in Gen.Int[3, train]
        from micro in Gen.Int[1, batch]
        from workers in Gen.Int[1, 5]
        from minWorkers in Gen.Int[1, workers]
        from faults in Gen.Int[0, 8]
        select (seed, new Rounds(train, test, epochs, batch, micro), workers, minWorkers, faults);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Replicas_go_through_the_states_of_the_plain_loop_while_workers_join_leave_and_die(Topology topology) =>
        _anyCluster.Every(x => new ClusterSimulation(x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers).Run(x.Faults), usual: 1500);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void No_state_differs_when_workers_freeze_or_are_cut_off_and_the_coordinator_restarts(Topology topology) =>
        _anyCluster.Every(x =>
            new ClusterSimulation(x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers, isOpen: true).Run(x.Faults), usual: 1500);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void No_state_differs_and_every_round_is_recorded_when_control_messages_are_lost_repeated_or_late(Topology topology) =>
        _anyCluster.Every(x =>
        {
            var simulation = new ClusterSimulation(
                x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers, isOpen: true, messageFaults: 3 * x.Faults);
            simulation.Run(x.Faults);
        }, usual: 800);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Replicas_of_a_relaxed_job_agree_when_the_coordinator_restarts_and_messages_are_lost(Topology topology) =>
        _anyCluster.Every(x =>
        {
            var rounds = x.Rounds with { Relaxed = true };
            var simulation = new ClusterSimulation(
                x.Seed, rounds, topology, x.Workers, x.MinWorkers, isOpen: true, messageFaults: 2 * x.Faults);
            simulation.Run(x.Faults);
        }, usual: 600);

    [Fact]
    public void The_simulations_reach_every_rare_state()
    {
        var census = new Census();
        var longest = 0;
        for (var seed = 0; seed < Sampling.Of(1500); seed++)
        {
            Drawn(seed, isRelaxed: seed % 3 == 0, isLossy: true, census, out var simulation);
            longest = Math.Max(longest, simulation.SinceFault);
        }
        TestContext.Current.SendDiagnosticMessage($"{census}; at most {longest} steps after the last fault");
        Assert.All(_rare, state => Assert.True(census[state] > 0, $"no simulation reached: {state}; {census}"));
    }

    /// <summary>
    /// Counts over a run of CI how often each effect of the three protocols was executed, and each cause for which a protocol refuses a
    /// worker, ends it or fails the job.
    /// </summary>
    [Fact]
    public void Every_effect_and_every_refusal_of_the_three_protocols_is_reached()
    {
        var census = new Census();
        for (var seed = 0; seed < Sampling.Of(300); seed++)
            Drawn(seed, isRelaxed: seed % 3 == 0, isLossy: seed % 2 == 0, census, out _, hasMistakes: true);
        for (var seed = 0; seed < Sampling.Of(200); seed++)
        {
            Drawn(
                seed, isRelaxed: seed % 4 == 0, isLossy: false, census, out _,
                maxRestarts: seed % 5 == 0 ? 3 : RestartPolicy.Most, hasMistakes: true);
        }
        var rounds = new Rounds(TrainSamples: 12, TestSamples: 5, Epochs: 2, Batch: 3, MicroBatches: 2);
        for (var seed = 0; seed < 5; seed++)
            new ClusterSimulation(seed, rounds, Topology.Mesh, 3, 2, blocked: ("worker-1", "worker-2"), census: census).Run(faults: 0);
        FailureCause[] failures = [FailureCause.BatchTooLarge, FailureCause.Mismatch, FailureCause.Records, FailureCause.AllLost];
        foreach (var expected in failures)
        {
            for (var seed = 0; seed < 5; seed++)
                new ClusterSimulation(seed, rounds, Topology.Mesh, 3, 2, census: census, expected: expected).Run(faults: 1000);
        }
        string[] all =
        [
            .. Effects<ClusterEffect>(), .. Effects<ReplicaEffect>(), .. Effects<JoinEffect>(),
            .. Causes<RefusalCause>(), .. Causes<FailureCause>(), .. Causes<ReturnCause>(), .. Causes<EndCause>(),
            "plan without this worker", "plan from another round", "frame that came early", "link that came early",
        ];
        foreach (var reached in all) TestContext.Current.TestOutputHelper?.WriteLine($"{reached}: {census[reached]}");
        Assert.All(all, reached => Assert.True(census[reached] > 0, $"no simulation reached {reached}; {census}"));

        static IEnumerable<string> Effects<T>() => typeof(T).GetNestedTypes(System.Reflection.BindingFlags.NonPublic)
            .Where(type => type.IsSubclassOf(typeof(T)))
            .Select(Census.NameOf);

        static IEnumerable<string> Causes<T>() where T : struct, Enum => Enum.GetValues<T>().Select(cause => Census.NameOf(cause));
    }

    private static void Drawn(
        int seed, bool isRelaxed, bool isLossy, Census census, out ClusterSimulation simulation,
        int? maxRestarts = null, bool hasMistakes = false)
    {
        var random = new Random(seed);
        var train = random.Next(4, 21);
        var batch = random.Next(3, train + 1);
        var rounds = new Rounds(train, random.Next(2) * random.Next(300), random.Next(1, 4), batch, random.Next(1, batch + 1), isRelaxed);
        var workers = random.Next(1, 6);
        simulation = new(
            seed, rounds, seed % 2 == 0 ? Topology.Star : Topology.Mesh, workers, random.Next(1, workers + 1), isOpen: true,
            messageFaults: isLossy ? 20 : 0, census: census, maxRestarts: maxRestarts)
        {
            HasMistakes = hasMistakes,
        };
        simulation.Run(faults: random.Next(25));
    }

    private static readonly string[] _rare =
    [
        "connection reset", "connection dead", "reordered", "register repeated", "report split by bytes",
        "two coordinators at once", "rolled-back worker refused", "worker given up", "one state for many",
        "exact job restarted", "relaxed job restarted", "relaxed job rolled back",
        "duplicate RoundsApplied", "duplicate Register", "duplicate Welcome", "duplicate Halted",
        .. ((Type[])[
            typeof(Register), typeof(Welcome), typeof(Prepared), typeof(Halt), typeof(Halted), typeof(SendState), typeof(Synced),
            typeof(BeginPlan), typeof(RoundsApplied), typeof(ReportsSafe), typeof(Leave), typeof(Dismissed), typeof(Refused),
            typeof(Heard)]).Select(type => $"lost {type.Name}"),
        "a write cut in two", "a page of zeros in a file that was not flushed", "a page of zeros in a file that was flushed",
        "a name that was not flushed is gone", "disk full", "disk broken", "run state not written",
        "flush while the disk is full", "flush while the disk is broken", "flush cut short",
        "checkpoint while the disk is full", "checkpoint while the disk is broken", "checkpoint cut short",
        "checkpoint left out", "checkpoint unreadable", "checkpoint set aside",
        "result while the disk is full", "result while the disk is broken", "result cut short", "killed when the result was written",
        "power cut", "power cut with workers ahead", "all gone, continued from a checkpoint", "all gone, begun again",
        "recorded rounds lost with the coordinator", "workers ahead of the records", "generation behind that of the workers",
        "worker without the missing reports begins anew",
    ];

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void A_run_continues_with_the_same_states_when_local_workers_are_killed_and_restarts_are_left(Topology topology) =>
        _anyCluster.Every(x =>
        {
            var rounds = x.Rounds with { Relaxed = x.Seed % 4 == 0 };
            var simulation = new ClusterSimulation(
                x.Seed, rounds, topology, x.Workers, x.MinWorkers, isOpen: true, messageFaults: x.Faults,
                maxRestarts: x.Seed % 3 == 0 ? 3 : RestartPolicy.Most);
            simulation.Run(x.Faults);
        }, usual: 600);

    [Fact]
    public void Without_numbers_lost_messages_leave_gaps_in_the_ledger_or_jobs_without_an_end()
    {
        var (gaps, endless) = (0, 0);
        for (var seed = 0; seed < 100 && (gaps == 0 || endless == 0); seed++)
        {
            var simulation = new ClusterSimulation(
                seed, new(TrainSamples: 12, TestSamples: 5, Epochs: 2, Batch: 3, MicroBatches: 2),
                seed % 2 == 0 ? Topology.Star : Topology.Mesh, 3, 2, isOpen: true, messageFaults: 20)
            {
                IsNumbered = false,
            };
            var error = Record.Exception(() => simulation.Run(faults: 0))?.Message ?? "";
            if (error.Contains("those in between are missing", StringComparison.Ordinal)) gaps++;
            if (error.StartsWith("no end in sight", StringComparison.Ordinal)) endless++;
        }
        Assert.True(gaps > 0 && endless > 0, $"{gaps} gaps, {endless} without an end");
    }

    [Fact]
    public void The_simulations_of_local_workers_reach_every_rare_state()
    {
        var census = new Census();
        for (var seed = 0; seed < Sampling.Of(500); seed++)
            Drawn(seed, isRelaxed: seed % 4 == 0, isLossy: false, census, out _, maxRestarts: seed % 5 == 0 ? 3 : RestartPolicy.Most);
        TestContext.Current.SendDiagnosticMessage($"{census}");
        Assert.All(
            (string[])[
                "all workers killed", "last holder frozen", "last holder waited for", "last holder answered", "last holder given up",
                "all gone with a checkpoint", "all gone without a checkpoint", "worker started again", "restarts used up",
                "coordinator ended with its workers",
            ],
            state => Assert.True(census[state] > 0, $"no simulation reached: {state}; {census}"));
    }

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Replicas_of_a_relaxed_job_agree_while_workers_join_leave_and_die(Topology topology) => _anyCluster.Every(x =>
        new ClusterSimulation(x.Seed, x.Rounds with { Relaxed = true }, topology, x.Workers, x.MinWorkers).Run(x.Faults), usual: 300);

    [Fact]
    public void A_mesh_a_star_and_one_worker_train_the_same_result() => _anyCluster.Every(x =>
    {
        Assert.Equal(ResultOf(Topology.Star, x.Workers), ResultOf(Topology.Mesh, x.Workers));
        Assert.Equal(ResultOf(Topology.Mesh, 1), ResultOf(Topology.Mesh, x.Workers));

        long ResultOf(Topology topology, int workers)
        {
            var simulation = new ClusterSimulation(x.Seed, x.Rounds, topology, workers, 1);
            simulation.Run(x.Faults);
            return simulation.Result;
        }
    }, usual: 200);

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void A_cluster_without_changes_has_one_generation(Topology topology) => _anyCluster.Every(x =>
    {
        var simulation = new ClusterSimulation(x.Seed, x.Rounds, topology, x.Workers, x.MinWorkers);
        simulation.Run(faults: 0);
        Assert.Equal("start", Assert.Single(simulation.Cluster.Generations).Reason);
    }, usual: 300);

    [Fact]
    public void The_coordinator_evicts_one_of_two_workers_that_cannot_reach_each_other() =>
        _anyCluster.Where(x => x.Workers > 1).Every(x =>
        {
            var simulation = new ClusterSimulation(
                x.Seed, x.Rounds, Topology.Mesh, x.Workers, x.MinWorkers, blocked: ("worker-1", "worker-2"));
            simulation.Run(faults: 0);
            // An evicted worker that returns to a job of one or two steps finds it done.
            var refused = Assert.Single(simulation.Refused, refused => refused.Reason != "the job is done");
            Assert.Contains(refused.Worker, (string[])["worker-1", "worker-2"]);
            Assert.Contains("cannot reach it over its link: it does not answer", refused.Reason, StringComparison.Ordinal);
            Assert.True(refused.MayReturn);
            var reasons = simulation.Cluster.Generations.Select(generation => generation.Reason);
            Assert.Equal(
                ClusterProtocol.MaxBreaks,
                reasons.Count(reason => reason is "start" || reason.StartsWith("the link between", StringComparison.Ordinal)));
        }, usual: 300);
}
