using Akka.Actor;
using Akka.Event;
using Akka.TestKit;
using Akka.TestKit.Xunit;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor, from the first offer to the last farewell; its timers run in virtual time.</summary>
public sealed class CoordinatorActorTests() : TestKit("""
    akka {
      loglevel = OFF
      stdout-loglevel = OFF
      scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit"
      test.single-expect-default = 60s
    }
    """)
{
    [Fact]
    public async Task Who_offers_itself_is_welcome_and_again_under_the_same_id()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("worker");
        var first = await worker.RegisterAsync();
        Assert.Equal(("worker", "the job", "127.0.0.1", bench.Star.Port), (first.Worker, first.Job, first.LinkHost, first.LinkPort));
        Assert.Equal(bench.Star.Token, first.Token);
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        Assert.Equal("worker", (await worker.RegisterAsync()).Worker);
        Assert.Equal(["worker: preparing"], bench.View.Last.Workers.Select(w => $"{w.Name}: {w.Doing}"));
    }

    [Fact]
    public async Task A_newcomer_that_claims_to_hold_rounds_is_not_believed()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("a");
        await worker.LinkAsync();
        worker.Say(CoordinatorBench.Facts with { Generation = 1, Applied = 5 });
        var outcome = new TaskCompletionSource<DrainOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        worker.Probe.Send(bench.Actor, new CoordinatorNotice.Drain("a", outcome));
        Assert.Equal(DrainResult.Unknown, (await outcome.Task.Soon()).Result);
    }

    [Fact]
    public async Task Those_of_one_name_are_told_apart()
    {
        using var bench = new CoordinatorBench(this);
        var ids = new List<string>();
        foreach (var name in (string[])["worker", "worker", "worker-2", "worker"]) ids.Add((await bench.RegisterAsync(name)).Id);
        Assert.Equal(["worker", "worker-2", "worker-2-2", "worker-3"], ids);
    }

    [Fact]
    public async Task Those_of_one_name_that_is_as_long_as_a_name_may_be_are_told_apart_and_can_link()
    {
        using var bench = new CoordinatorBench(this, startWith: 13);
        var name = new string('n', 63);
        var workers = new List<BenchWorker>();
        for (var i = 0; i < 12; i++) workers.Add(await bench.JoinAsync(name));
        Assert.Equal(12, workers.Select(worker => worker.Id).Distinct().Count());
        Assert.All(workers, worker => Assert.Equal(63, worker.Id.Length));
        Assert.Equal((new string('n', 61) + "-2", new string('n', 60) + "-12"), (workers[1].Id, workers[11].Id));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a\n")]
    [InlineData("ä")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public async Task A_name_that_is_not_allowed_is_refused(string name)
    {
        using var bench = new CoordinatorBench(this);
        var stranger = bench.Stranger();
        stranger.Send(bench.Actor, new Register(MessageCodec.Version, name, "cpu", [], 0, 0));
        Assert.StartsWith("its name is not allowed; allowed: 1 to 63", (await stranger.ExpectMsgAsync<Refused>()).Reason, StringComparison.Ordinal);
        await bench.RegisterAsync("worker");
    }

    [Fact]
    public async Task Another_version_of_the_protocol_is_refused()
    {
        using var bench = new CoordinatorBench(this);
        var stranger = bench.Stranger();
        stranger.Send(bench.Actor, new Register(99, "worker", "cpu", [], 0, 0));
        Assert.Equal($"it speaks version 99 of the protocol, the coordinator version {MessageCodec.Version}", (await stranger.ExpectMsgAsync<Refused>()).Reason);
    }

    [Fact]
    public async Task Who_drains_a_worker_hears_when_it_has_left()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a", "b");
        var drained = bench.DrainAsync("b");
        foreach (var worker in workers) await worker.HaltAsync(2, applied: 0);
        Assert.Equal(new(DrainResult.Left, "b has left, as it was asked to"), await drained);
        Assert.Equal("it was asked to leave", (await workers[1].HearAsync<Dismissed>()).Reason);
        Assert.Equal(["a"], (await workers[0].HearAsync<BeginPlan>()).Workers);
        Assert.Contains("b has left, as it was asked to", bench.View.Messages);
    }

    [Fact]
    public async Task Who_drains_a_worker_hears_that_there_is_none_or_that_it_is_lost()
    {
        using var bench = new CoordinatorBench(this);
        Assert.Equal(new(DrainResult.Unknown, "there is no worker 'c'; no worker is connected"), await bench.DrainAsync("c"));
        var workers = await bench.TrainAsync("a", "b");
        Assert.Equal(new(DrainResult.Unknown, "there is no worker 'c'; there are a, b"), await bench.DrainAsync("c"));
        var drained = bench.DrainAsync("b");
        workers[1].Say(new Failed("its device is gone"));
        Assert.Equal(new(DrainResult.Failed, "b is lost: its device is gone"), await drained);
    }

    [Fact]
    public async Task Who_drains_the_only_worker_with_the_parameters_hears_that_it_stays_each_time()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("a"))[0];
        worker.Contribute(new BeginPlan(1, 0, CoordinatorBench.Rounds.Count, ["a"], Topology.Star, [], [], []), 0);
        await worker.ApplyAsync(1, 0);
        var drained = bench.DrainAsync("a");
        await worker.HaltAsync(2, applied: 1);
        DrainOutcome stays = new(DrainResult.HeldBack, "a wants to leave, but no other worker holds the parameters: it stays until another has them");
        Assert.Equal(stays, await drained);
        Assert.Equal(stays, await bench.DrainAsync("a"));
    }

    public static TheoryData<string, Prepared> Others => new()
    {
        { "its data differs", CoordinatorBench.Facts with { DataFingerprint = "other" } },
        { "its data differs", CoordinatorBench.Facts with { TrainSamples = 8 } },
        { "its data differs", CoordinatorBench.Facts with { TestSamples = 6 } },
        { "its model differs: 11 numbers a contribution; the job's has 10", CoordinatorBench.Facts with { Floats = 11 } },
        { "its model differs", CoordinatorBench.Facts with { StateBytes = 9 } },
        { "its initial parameters differ in their bits (other, the job's are initial)", CoordinatorBench.Facts with { InitialDigest = "other" } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { Floats = -1 } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { Tallies = int.MaxValue } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { StateBytes = -1 } },
        { "it reports impossible sizes", CoordinatorBench.Facts with { TestSamples = int.MinValue } },
    };

    [Theory]
    [MemberData(nameof(Others), DisableDiscoveryEnumeration = true)]
    public async Task One_that_differs_is_turned_away_and_the_job_goes_on(string reason, Prepared other)
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var first = await bench.JoinAsync("first");
        var odd = await bench.RegisterAsync("odd");
        await odd.LinkAsync();
        odd.Say(other);
        Assert.StartsWith(reason, (await odd.HearAsync<Refused>()).Reason, StringComparison.Ordinal);
        await odd.Link.WhenClosed;
        Assert.Contains(bench.View.Messages, m => m.StartsWith($"odd was turned away: {reason}", StringComparison.Ordinal));
        odd.Say(new Halted(1, 0));
        Assert.Equal("odd", (await bench.RegisterAsync("odd")).Id);
        var second = await bench.JoinAsync("second");
        foreach (var worker in (BenchWorker[])[first, second]) await worker.HaltAsync(1, 0);
        Assert.Equal(["first", "second"], (await first.HearAsync<BeginPlan>()).Workers);
    }

    [Fact]
    public async Task A_note_that_every_worker_sends_is_told_once()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a", "b");
        foreach (var worker in workers) worker.Say(new Noted("the gradient of 'w' is sent only after backward"));
        await bench.HandledAsync();
        Assert.Equal("the gradient of 'w' is sent only after backward", Assert.Single(bench.Events, happened => happened.Kind == RunEventKind.Note).Text);
    }

    [Fact]
    public async Task A_batch_above_the_data_ends_the_run_in_words()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("worker");
        worker.Say(CoordinatorBench.Facts with { TrainSamples = 3 });
        Assert.Equal("batch is 4, but the training set has 3 samples; allowed: 1 to 3", await bench.FailureAsync());
        Assert.StartsWith("the job failed: batch is 4", (await worker.HearAsync<Refused>()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_plan_waits_for_all_who_are_awaited()
    {
        using var bench = new CoordinatorBench(this, startWith: 3);
        var (a, b) = (await bench.JoinAsync("a"), await bench.JoinAsync("b"));
        var c = await bench.RegisterAsync("c");
        // Nothing else is heard before these answers.
        await a.RegisterAsync();
        await b.RegisterAsync();
        await c.LinkAsync();
        c.Say(CoordinatorBench.Facts);
        await a.HaltAsync(1, 0);
        await b.HaltAsync(1, 0);
        await a.RegisterAsync();
        await c.HaltAsync(1, 0);
        foreach (var worker in (BenchWorker[])[a, b, c])
        {
            var plan = await worker.HearAsync<BeginPlan>();
            Assert.Equal((1, 0, 3), (plan.Generation, plan.FirstRound, plan.EndRound));
            Assert.Equal(["a", "b", "c"], plan.Workers);
        }
        Assert.Equal("training", bench.View.Last.Phase);
    }

    public enum Loss { Death, Link, Failure, LocalProcess, Violation }

    [Theory]
    [InlineData(Loss.Death, "b is lost: its process is gone")]
    [InlineData(Loss.Link, "b is lost: 127.0.0.1:")]
    [InlineData(Loss.Failure, "b is lost: no memory")]
    [InlineData(Loss.LocalProcess, "b is lost: killed by signal 9")]
    [InlineData(Loss.Violation, "b is lost: b sent an unrequested state")]
    public async Task However_a_worker_is_lost_the_others_go_on_under_a_new_generation(Loss loss, string message)
    {
        using var bench = new CoordinatorBench(this, startWith: 3);
        var workers = await bench.TrainAsync("a", "b", "c");
        var b = workers[1];
        switch (loss)
        {
            case Loss.Death:
                Sys.Stop(b.Probe);
                break;
            case Loss.Link:
                b.Link.Dispose();
                break;
            case Loss.Failure:
                b.Say(new Failed("no memory"));
                break;
            case Loss.LocalProcess:
                bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded("b", "killed by signal 9", 137));
                break;
            case Loss.Violation:
                b.Link.SendState(1, 0, new byte[8]);
                break;
        }
        await workers[0].HaltAsync(2, 0);
        await workers[2].HaltAsync(2, 0);
        foreach (var worker in (BenchWorker[])[workers[0], workers[2]]) Assert.Equal(["a", "c"], (await worker.HearAsync<BeginPlan>()).Workers);
        await b.Link.WhenClosed;
        Assert.Contains(bench.View.Messages, m => m.StartsWith(message, StringComparison.Ordinal));
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        await Patience.UntilAsync(() => bench.View.Last.Workers.Length == 2);
        Assert.Equal(["a", "c"], bench.View.Last.Workers.Select(w => w.Name));
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task A_local_worker_that_ends_before_the_first_step_ends_the_run()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var worker = await bench.JoinAsync("a");
        bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded("b", "no such device (see b.log)", 1));
        Assert.Equal("b failed: no such device (see b.log)", await bench.FailureAsync());
        Assert.Equal("the job failed: b failed: no such device (see b.log)", (await worker.HearAsync<Refused>()).Reason);
    }

    [Fact]
    public async Task A_local_worker_that_was_none_of_this_job_may_end_later()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("a"))[0];
        bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded("b", "it was turned away", 1));
        await worker.RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task When_the_last_one_is_a_local_one_and_fails_in_the_first_round_the_run_ends()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: new("a", "b"));
        var workers = await bench.TrainAsync("a", "b");
        workers[0].Say(new Failed("no memory"));
        await workers[1].HaltAsync(2, 0);
        workers[1].Say(new Failed("no memory either"));
        Assert.Equal("b failed: no memory either (see b.log)", await bench.FailureAsync());
    }

    [Fact]
    public async Task When_all_are_lost_before_the_first_round_newcomers_begin_it_anew()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("a"))[0];
        worker.Say(new Failed("no memory"));
        var next = await bench.JoinAsync("b");
        await next.HaltAsync(3, 0);
        Assert.Equal(["b"], (await next.HearAsync<BeginPlan>()).Workers);
    }

    [Fact]
    public async Task One_who_asks_to_leave_is_dismissed_and_the_others_go_on()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[1].Say(new Leave("the machine is needed"));
        await workers[1].HaltAsync(2, 0);
        await workers[0].HaltAsync(2, 0);
        Assert.Equal("it has asked to leave", (await workers[1].HearAsync<Dismissed>()).Reason);
        Assert.Equal(["a"], (await workers[0].HearAsync<BeginPlan>()).Workers);
        Sys.Stop(workers[1].Probe);
        await workers[0].RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task Replicas_that_differ_end_the_run_and_the_culprit_is_named()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[0].Say(BenchWorker.Applied(BenchWorker.Report(0)));
        await workers[0].RegisterAsync();
        workers[1].Say(BenchWorker.Applied(BenchWorker.Report(0) with { Digest = default }));
        var failure = await bench.FailureAsync();
        Assert.Equal($"b, epoch 1, step 0: its parameters ({default(StateDigest)}) differ from those of a ({BenchWorker.Report(0).Digest})", failure);
        foreach (var worker in workers) Assert.Equal($"the job failed: {failure}", (await worker.HearAsync<Refused>()).Reason);
    }

    public static TheoryData<RoundReport> Malformed =>
    [
        BenchWorker.Report(0) with { Round = -1 },
        BenchWorker.Report(0) with { Round = long.MaxValue },
        BenchWorker.Report(0) with { Tallies = [] },
        BenchWorker.Report(0) with { Tallies = [4] },
        BenchWorker.Report(0) with { Tallies = [-4, 1, 1] },
        BenchWorker.Report(0) with { Tallies = [double.NaN, 1, 1] },
        BenchWorker.Report(0) with { Times = new(-1, 0, 0, 0) },
        BenchWorker.Report(0) with { Times = new(0, 0, double.NaN, 0) },
        BenchWorker.Report(0) with { Times = new(0, double.PositiveInfinity, 0, 0) },
    ];

    [Theory]
    [MemberData(nameof(Malformed), DisableDiscoveryEnumeration = true)]
    public async Task A_report_that_cannot_be_ends_the_run_and_names_the_worker(RoundReport report)
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        worker.Say(BenchWorker.Applied(report));
        Assert.StartsWith("worker", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_whose_reports_lack_rounds_is_turned_away_and_asked_for_them_when_it_comes_back()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[0].Say(BenchWorker.Applied(BenchWorker.Report(1)));
        Assert.Equal(new Refused("it reports round 1, but 0 of 3 rounds are done: those in between are missing", MayReturn: true), await workers[0].HearAsync<Refused>());
        Assert.False(bench.HasResult);
        var back = bench.Stranger();
        back.Send(bench.Actor, new Register(MessageCodec.Version, "a", "cpu", bench.Star.Token, 1, 2));
        var welcome = await back.ExpectMsgAsync<Welcome>();
        Assert.Equal((true, 0), (welcome.IsAdopted, welcome.ReportFrom));
    }

    [Fact]
    public async Task One_that_cannot_report_what_is_missing_begins_anew()
    {
        using var bench = new CoordinatorBench(this);
        await bench.TrainAsync("a");
        var back = bench.Stranger();
        back.Send(bench.Actor, new Register(MessageCodec.Version, "b", "cpu", bench.Star.Token, 1, 2, ReportsFrom: 1));
        Assert.False((await back.ExpectMsgAsync<Welcome>()).IsAdopted);
    }

    [Fact]
    public async Task A_worker_that_stops_with_rounds_no_worker_has_reported_is_turned_away_and_may_return()
    {
        using var bench = new CoordinatorBench(this);
        await bench.TrainAsync("a");
        // It comes back with all rounds applied, says that it can report them, and does not.
        var back = await bench.RegisterAsync("a", new(1, 3));
        await back.LinkAsync();
        back.Say(CoordinatorBench.Facts with { Generation = 1, Applied = 3 });
        await back.HaltAsync((await back.HearAsync<Halt>()).Generation, applied: 3, isHeard: true);
        Assert.Equal(
            new Refused("it holds 3 rounds, but 0 of 3 are reported, and it has no reports of the others: the worker that had them is gone", MayReturn: true),
            await back.HearAsync<Refused>());
    }

    [Fact]
    public async Task That_a_run_has_failed_every_worker_hears_before_the_process_ends_and_so_does_whoever_comes_then()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        bench.Actor.Tell(new CoordinatorNotice.Abort("interrupted"));
        Assert.Equal("interrupted", await bench.FailureAsync());
        TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bench.Actor.Tell(new CoordinatorNotice.WhenHeard(heard));
        foreach (var worker in workers)
        {
            await bench.HandledAsync();
            Assert.False(heard.Task.IsCompleted);
            Assert.Equal(new Refused("the job failed: interrupted", MayReturn: false), await worker.HearAsync<Refused>());
            worker.Answer();
        }
        await heard.Task.Soon();
        var late = bench.Stranger();
        late.Send(bench.Actor, new Register(MessageCodec.Version, "late", "cpu", [], 0, 0));
        Assert.Equal("the job failed: interrupted", (await late.ExpectMsgAsync<Refused>()).Reason);
    }

    [Fact]
    public async Task A_coordinator_that_steps_aside_tells_the_workers_nothing()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a");
        bench.Actor.Tell(new CoordinatorNotice.StepAside("told to stop"));
        Assert.Equal("told to stop", await bench.FailureAsync());
        TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bench.Actor.Tell(new CoordinatorNotice.WhenHeard(heard));
        await heard.Task.Soon();
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        await bench.HandledAsync();
        Assert.DoesNotContain(workers[0].Probe.ReceiveWhile<object>(TimeSpan.Zero, message => message), message => message is Numbered);
    }

    [Fact]
    public async Task An_evaluation_without_its_metric_ends_the_run_and_names_the_worker()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        worker.Say(BenchWorker.Applied(BenchWorker.Report(0), BenchWorker.Report(1), BenchWorker.Report(2) with { Tallies = [5, 1] }));
        Assert.StartsWith("worker, epoch 1, step 2: 2 tallies are reported where at least 3", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_before_the_sizes_are_known_ends_the_run()
    {
        using var bench = new CoordinatorBench(this);
        (await bench.RegisterAsync("worker")).Say(BenchWorker.Applied(BenchWorker.Report(0)));
        Assert.Equal("worker reports rounds before it was prepared", await bench.FailureAsync());
    }

    [Fact]
    public async Task An_empty_report_changes_nothing()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("worker");
        worker.Say(BenchWorker.Applied());
        await worker.RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task What_strangers_say_is_left_unhandled()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        var unhandled = CreateTestProbe();
        Sys.EventStream.Subscribe(unhandled, typeof(UnhandledMessage));
        IWorkerMessage[] said =
        [
            CoordinatorBench.Facts, new Halted(1, 0), new Synced(1, 0), BenchWorker.Applied(BenchWorker.Report(0) with { Round = 99 }),
            new Leave("worker wants to"), new Failed("worker has failed"),
        ];
        var stranger = bench.Stranger();
        foreach (var message in said)
        {
            stranger.Send(bench.Actor, message);
            Assert.Contains("which is no worker of this job", (string)(await unhandled.ExpectMsgAsync<UnhandledMessage>()).Message, StringComparison.Ordinal);
        }
        await worker.RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task A_job_ends_with_its_state_and_the_result_when_all_have_gone()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        byte[] state = [1, 2, 3, 4, 5, 6, 7, 8];
        var workers = await bench.TrainAsync("a", "b");
        var plan = new BeginPlan(1, 0, 3, ["a", "b"], Topology.Star, [], [], []);
        for (var round = 0; round < 3; round++) await StepAsync(workers, plan, round);
        await workers[0].SendStateAsync(1, 3, state);
        foreach (var worker in workers) Assert.Equal("the job is done", (await worker.HearAsync<Dismissed>()).Reason);
        Assert.Equal("saving", bench.View.Last.Phase);

        var late = bench.Stranger();
        late.Send(bench.Actor, new Register(MessageCodec.Version, "late", "cpu", [], 0, 0));
        Assert.Equal("the job is done", (await late.ExpectMsgAsync<Refused>()).Reason);
        Sys.Stop(workers[0].Probe);
        workers[1].Say(new Failed("too late to matter"));
        bench.Actor.Tell(new CoordinatorNotice.LinkClosed("b", "too late to matter"));
        late.Send(bench.Actor, new Register(MessageCodec.Version, "late", "cpu", [], 0, 0));
        await late.ExpectMsgAsync<Refused>();
        Assert.False(bench.HasResult);
        Sys.Stop(workers[1].Probe);
        var result = await bench.Result;
        Assert.Equal(state, result.State);
        Assert.Equal(2, result.Workers);
        Assert.Equal([new(1, GenerationCause.Start, "start")], result.Generations);
        Assert.Equal(2, bench.Recorder.Curves.LastStep!.Step);
        Assert.Equal(0.6, bench.Recorder.Curves.LastEvaluation!.TestMetric.Value);
    }

    [Fact]
    public async Task One_who_does_not_go_is_not_waited_for_forever()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a"], Topology.Star, [], [], []), round);
        // Whoever prepares himself at the end has no part in the result.
        var late = await bench.RegisterAsync("late");
        await workers[0].SendStateAsync(1, 3, new byte[8]);
        await workers[0].HearAsync<Dismissed>();
        await late.HearAsync<Dismissed>();
        Assert.False(bench.HasResult);
        ((TestScheduler)Sys.Scheduler).Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(1, (await bench.Result).Workers);
    }

    [Fact]
    public async Task The_state_comes_from_another_when_its_donor_is_lost()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a", "b"], Topology.Star, [], [], []), round);
        await workers[0].HearAsync<SendState>();
        workers[0].Link.Dispose();
        await workers[1].SendStateAsync(1, 3, [8, 7, 6, 5, 4, 3, 2, 1]);
        await workers[1].HearAsync<Dismissed>();
        Sys.Stop(workers[1].Probe);
        Assert.Equal([8, 7, 6, 5, 4, 3, 2, 1], (await bench.Result).State);
    }

    [Fact]
    public async Task A_laggard_and_a_newcomer_get_the_state()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        byte[] state = [1, 1, 2, 3, 5, 8, 13, 21];
        var workers = await bench.TrainAsync("a", "b");
        var plan = new BeginPlan(1, 0, 3, ["a", "b"], Topology.Star, [], [], []);
        await StepAsync(workers, plan, 0);
        foreach (var worker in workers) worker.Contribute(plan, 1);
        await workers[0].ApplyAsync(1, 1);
        await Patience.UntilAsync(() => Links.StarBench.CompletedBy(bench.Star) == 2);

        var newcomer = await bench.JoinAsync("c");
        await workers[0].HaltAsync(2, applied: 2);
        await workers[1].HaltAsync(2, applied: 1);
        await newcomer.HaltAsync(2, applied: 0);
        await workers[1].Link.AverageAsync(1, 1, CoordinatorBench.Layout.Slices);
        await workers[0].SendStateAsync(2, 2, state);
        foreach (var behind in (BenchWorker[])[workers[1], newcomer])
        {
            var (header, payload) = await behind.Link.NextAsync();
            Assert.Equal((FrameKind.State, 2, 2), (header.Kind, header.Generation, header.Round));
            Assert.Equal(state, payload);
        }
        newcomer.Say(new Synced(2, 2));
        await newcomer.RegisterAsync();
        workers[1].Say(new Synced(2, 2));
        foreach (var worker in workers.Append(newcomer))
        {
            var next = await worker.HearAsync<BeginPlan>();
            Assert.Equal((2, 2, 3), (next.Generation, next.FirstRound, next.EndRound));
            Assert.Equal(["a", "b", "c"], next.Workers);
        }
        Assert.Equal(1, await bench.Registry.ValueAsync($"{MetricNames.Generations}{{cause=\"start\"}}"));
        Assert.Equal(1, await bench.Registry.ValueAsync($"{MetricNames.Generations}{{cause=\"joined\"}}"));
        Assert.Equal(2, await bench.Registry.ValueAsync($"{MetricNames.ReconfigurationSeconds}_count"));
    }

    [Fact]
    public async Task Workers_that_stop_with_different_parameters_end_the_job_and_are_counted()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        await StepAsync(workers, new(1, 0, 3, ["a", "b"], Topology.Star, [], [], []), 0);
        workers[1].Say(new Leave("it wants to"));
        foreach (var worker in workers)
        {
            await worker.HearAsync<Halt>();
            worker.Say(new Halted(2, 1, new(1, worker.Id == "a" ? 1UL : 2)));
        }
        Assert.Contains("differ", await bench.FailureAsync(), StringComparison.Ordinal);
        Assert.Equal(1, await bench.Registry.ValueAsync(MetricNames.DigestMismatches));
    }

    [Fact]
    public async Task A_checkpoint_that_cannot_be_stored_is_told_and_training_goes_on()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a");
        var plan = new BeginPlan(1, 0, 3, ["a"], Topology.Star, [], [], []);
        await StepAsync(workers, plan, 0);
        workers[0].Link.SendCheckpoint(1, 1, new byte[8]);
        await Patience.UntilAsync(() => bench.View.Messages.Any(line => line.StartsWith("the checkpoint of step 1 could not be written: ", StringComparison.Ordinal)));
        for (var round = 1; round < 3; round++) await StepAsync(workers, plan, round);
        await workers[0].HearAsync<SendState>();
        Assert.Equal(1, await bench.Registry.ValueAsync(MetricNames.CheckpointFailures));
    }

    [Fact]
    public async Task Without_what_a_restart_needs_no_checkpoint_is_stored_until_it_can_be_written()
    {
        var isFull = true;
        using var bench = new CoordinatorBench(this, save: _ => isFull ? "No space left on device" : null);
        var workers = await bench.TrainAsync("a");
        var plan = new BeginPlan(1, 0, 3, ["a"], Topology.Star, [], [], []);
        await StepAsync(workers, plan, 0);
        workers[0].Link.SendCheckpoint(1, 1, new byte[8]);
        Assert.Single(bench.View.Messages, "the state for a restart of the coordinator cannot be written: No space left on device. Training continues without checkpoints until it can be written");
        await StepAsync(workers, plan, 1);
        await workers[0].RegisterAsync();
        Assert.DoesNotContain(bench.View.Messages, line => line.Contains("checkpoint of step", StringComparison.Ordinal));
        isFull = false;
        await Patience.UntilAsync(() =>
        {
            bench.Actor.Tell(new CoordinatorNotice.Refresh());
            return bench.View.Messages.Contains("the state for a restart of the coordinator is written again");
        });
        await StepAsync(workers, plan, 2);
        // A state that is none, so that it can be seen that it was tried.
        await Patience.UntilAsync(() => bench.View.Messages.Any(line => line.StartsWith("the checkpoint of step 1 could not be written: ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_workers_are_dismissed_when_the_result_is_written_and_not_before()
    {
        var outcome = new ScriptedOutcome();
        using var bench = new CoordinatorBench(this, startWith: 2, outcome: _ => outcome);
        var workers = await bench.TrainAsync("a", "b");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a", "b"], Topology.Star, [], [], []), round);
        await workers[0].SendStateAsync(1, 3, new byte[8]);
        await Patience.UntilAsync(() =>
        {
            ((TestScheduler)Sys.Scheduler).Advance(TimeSpan.FromSeconds(1));
            return outcome.Tries > 2;
        });
        Assert.Single(bench.View.Messages, line => line.StartsWith("the result cannot be written: No space left on device. The workers stay", StringComparison.Ordinal));
        // Nothing was said to it before that, and one that is lost is not needed any more.
        await workers[0].RegisterAsync();
        Sys.Stop(workers[0].Probe);
        Assert.False(bench.HasResult);
        outcome.IsFull = false;
        await Patience.UntilAsync(() =>
        {
            ((TestScheduler)Sys.Scheduler).Advance(TimeSpan.FromSeconds(1));
            return outcome.IsWritten;
        });
        Assert.Equal("the job is done", (await workers[1].HearAsync<Dismissed>()).Reason);
        Sys.Stop(workers[1].Probe);
        Assert.Equal(new byte[8], (await bench.Result).State);
    }

    [Fact]
    public async Task A_result_that_makes_no_sense_ends_the_run()
    {
        using var bench = new CoordinatorBench(this, outcome: _ => new ScriptedOutcome { Error = new InvalidOperationException("it is none") });
        var workers = await bench.TrainAsync("a");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a"], Topology.Star, [], [], []), round);
        await workers[0].SendStateAsync(1, 3, new byte[8]);
        Assert.Equal("the result cannot be written: it is none", await bench.FailureAsync());
    }

    private sealed class ScriptedOutcome : IRunOutcome
    {
        private volatile int _tries;
        private volatile bool _isWritten;

        public Exception Error { get; init; } = new IOException("No space left on device");

        public bool IsFull { get; set; } = true;

        public int Tries => _tries;

        public bool IsWritten => _isWritten;

        public void Write()
        {
            _tries++;
            if (IsFull) throw Error;
            _isWritten = true;
        }

        public void Tell() => Assert.Fail("Nobody asked for it.");
    }

    [Fact]
    public async Task Who_sends_a_checkpoint_that_nobody_asked_for_loses_its_link()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[1].Link.SendCheckpoint(1, 0, new byte[8]);
        Assert.Equal(2, (await workers[0].HearAsync<Halt>()).Generation);
        Assert.Contains(bench.View.Messages, line => line.StartsWith("b is lost: b sent a checkpoint that was not requested", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Parameters_to_begin_with_are_announced_and_sent()
    {
        var file = new byte[300_000];
        file[^1] = 7;
        using var bench = new CoordinatorBench(this, initial: new(file, IsStrict: false));
        var worker = await bench.RegisterAsync("a");
        Assert.Equal((300_000, false), (worker.Welcomed.InitialBytes, worker.Welcomed.IsInitialStrict));
        await worker.LinkAsync();
        byte[] received = [];
        while (received.Length < file.Length)
        {
            var (header, payload) = await worker.Link.NextAsync();
            Assert.Equal((FrameKind.Initial, FrameHeader.AnyGeneration), (header.Kind, header.Generation));
            received = [.. received, .. payload];
        }
        Assert.Equal(file, received);
        worker.Say(CoordinatorBench.Facts with { Initial = "Initial parameters: some" });
        await worker.HearAsync<Halt>();
        Assert.Contains("Initial parameters: some", bench.View.Messages);
    }

    [Fact]
    public async Task What_the_data_is_like_is_written_down_and_told_once()
    {
        using var bench = new CoordinatorBench(this, startWith: 4);
        var data = new DataDescription { Data = "csv", Shape = [2], Classes = ["a", "b"], Notes = ["a row is left out"] };
        string[] said = ["{", data.ToJson(), data.ToJson(), ""];
        var workers = new List<BenchWorker>();
        foreach (var (name, json) in "abcd".Zip(said))
        {
            workers.Add(await bench.RegisterAsync($"{name}"));
            await workers[^1].LinkAsync();
            workers[^1].Say(CoordinatorBench.Facts with { Data = json });
        }
        await workers[^1].HearAsync<Halt>();
        Assert.Equal(data.ToJson(), Assert.Single(bench.Described).ToJson());
        Assert.Single(bench.View.Messages, "a row is left out");
        Assert.Single(bench.View.Messages, "the description of the data could not be written: the disk is full");
        Assert.Single(bench.View.Messages, line => line.StartsWith("a worker sent a malformed description of the data: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_worker_without_data_is_sent_it_before_it_is_prepared()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.csv"], "x,y\n1,2\n");
        using var bench = new CoordinatorBench(this, data: new(new CsvData { Path = "a.csv" }, new() { DataDirectory = folder.Path }));
        var worker = await bench.RegisterAsync("worker");
        worker.Say(new FindData("there is none"));
        var found = await worker.HearAsync<DataFound>();
        Assert.Equal(8, found.Bytes);
        await worker.LinkAsync();
        worker.Say(new SendData(found.Key));
        var (header, piece) = await worker.Link.NextAsync();
        Assert.Equal((FrameKind.Data, 0), (header.Kind, header.Round));
        Assert.Equal("x,y\n1,2\n"u8, piece.AsSpan(found.ManifestBytes));
        Assert.Contains("worker is sent the data, 8 bytes", bench.View.Messages);
        // It is counted when it has left, which the worker may see sooner.
        while (await bench.Registry.ValueAsync(MetricNames.DeliveredBytes) == 0) await Task.Yield();
        Assert.Equal(piece.Length, await bench.Registry.ValueAsync(MetricNames.DeliveredBytes));
        worker.Say(CoordinatorBench.Facts);
        await worker.HearAsync<Halt>();
    }

    [Fact]
    public async Task A_worker_that_asks_in_vain_hears_why()
    {
        using var none = new CoordinatorBench(this);
        var worker = await none.RegisterAsync("worker");
        worker.Say(new FindData("there is none"));
        Assert.Equal("it has no data", (await worker.HearAsync<NoData>()).Reason);

        using var folder = new TemporaryFolder();
        using var missing = new CoordinatorBench(this, data: new(new CsvData { Path = "a.csv" }, new() { DataDirectory = folder.Path }));
        worker = await missing.RegisterAsync("worker");
        worker.Say(new FindData("there is none"));
        Assert.Equal($"'{folder["a.csv"]}' does not exist on {Environment.MachineName}", (await worker.HearAsync<NoData>()).Reason);
    }

    [Fact]
    public async Task A_worker_that_asks_for_what_it_was_not_offered_is_lost()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, data: new(new KnownData("digits"), new()));
        var worker = await bench.RegisterAsync("worker");
        worker.Say(new SendData("0123"));
        await Patience.UntilAsync(() => bench.Star.LinkOf("worker") is null);
    }

    [Fact]
    public async Task A_mistake_ends_the_run_rather_than_its_memory()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        Watch(bench.Actor);
        bench.View.OnUpdate = _ => throw new InvalidOperationException("the screen is broken");
        worker.Say(BenchWorker.Applied(BenchWorker.Report(0)));
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        Assert.Equal("the coordinator could not handle Refresh: the screen is broken", await bench.FailureAsync());
        Assert.Equal("the job failed: the coordinator could not handle Refresh: the screen is broken", (await worker.HearAsync<Refused>()).Reason);
        await ExpectTerminatedAsync(bench.Actor);
    }

    [Fact]
    public async Task A_coordinator_that_is_stopped_says_so()
    {
        using var bench = new CoordinatorBench(this);
        Sys.Stop(bench.Actor);
        Assert.Equal("the coordinator was stopped", await bench.FailureAsync());
    }

    private static async Task StepAsync(BenchWorker[] workers, BeginPlan plan, long round)
    {
        foreach (var worker in workers) worker.Contribute(plan, round);
        foreach (var worker in workers) await worker.ApplyAsync(plan.Generation, round);
    }
}
