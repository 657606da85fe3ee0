using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Single decisions of a worker that joins and leaves; the simulation of a cluster tests the protocol as a whole.</summary>
public sealed class JoinProtocolTests
{
    private const string NotLinked = "the link to the coordinator could not be made: it was reset";

    private static readonly JoinProtocol _new = new("host:4711", TimeSpan.FromMinutes(5));
    private static readonly JoinProtocol _finding = _new with { Phase = JoinPhase.Finding };
    private static readonly JoinProtocol _preparing = _new with { Phase = JoinPhase.Preparing };
    private static readonly JoinProtocol _returning = _new with { Phase = JoinPhase.Returning, Held = "a" };
    private static readonly JoinProtocol _training = _new with { Phase = JoinPhase.Training, NotReady = null, HasTakenPart = true };

    private static readonly JoinEffect[] _registration = [new JoinEffect.Register(), new JoinEffect.StartTimer(JoinTimer.Register)];

    private static readonly Gen<JoinEvent> _anyEvent = Gen.OneOf(
        Gen.Enum<JoinTimer>().Select(JoinEvent (timer) => new JoinEvent.TimedOut(timer)),
        Gen.Bool.Select(JoinEvent (mayReturn) => new JoinEvent.Refused("it differs", mayReturn)),
        Gen.Bool.Select(JoinEvent (needsFiles) => new JoinEvent.JobRead(needsFiles)),
        Gen.Select(Gen.Bool, Gen.Bool, JoinEvent (isAdopted, hasInitial) => new JoinEvent.Welcomed("a", isAdopted, hasInitial)),
        Gen.OneOfConst<JoinEvent>(
            new JoinEvent.NodeAccepted(), new JoinEvent.ProbeAsked("the job"), new JoinEvent.Probed(),
            new JoinEvent.DataReady(), new JoinEvent.DataMissing("a file"), new JoinEvent.DataOffered(7),
            new JoinEvent.DataUnavailable("there is none"), new JoinEvent.ReplicaReady(), new JoinEvent.Linked(),
            new JoinEvent.LinkFailed("it was reset"), new JoinEvent.Initialized(), new JoinEvent.LeaveAsked("the machine is needed"),
            new JoinEvent.Dismissed("the job is done"), new JoinEvent.Failed("the device failed"),
            new JoinEvent.Disconnected("the link broke"), new JoinEvent.CoordinatorLost("it does not answer")));

    [Fact]
    public void A_worker_registers_again_until_the_coordinator_welcomes_it()
    {
        JoinEffect[] start = [new JoinEffect.StartTimer(JoinTimer.Coordinator), new JoinEffect.StartTimer(JoinTimer.Node)];
        Assert.Equal(start, JoinProtocol.Start);
        var joining = Tell(_new, new JoinEvent.NodeAccepted(), [new JoinEffect.StartTimer(JoinTimer.Answer), .. _registration]);
        for (var i = 0; i < 3; i++) joining = Tell(joining, new JoinEvent.TimedOut(JoinTimer.Register), _registration);
        Assert.Equal(_new, joining);
        var welcome = new JoinEvent.Welcomed("a", IsAdopted: false, HasInitial: false);
        var welcomed = Tell(joining, welcome, new JoinEffect.StopTimers(), new JoinEffect.ReadJob());
        Assert.Equal((JoinPhase.Finding, "a", "looking for the data"), (welcomed.Phase, welcomed.Held, welcomed.NotReady));
        AssertIgnores(welcomed, new JoinEvent.TimedOut(JoinTimer.Register));
    }

    [Fact]
    public void A_probed_worker_tells_the_size_and_registers_again()
    {
        var probing = Tell(_new, new JoinEvent.ProbeAsked("the job"), new JoinEffect.StopTimers(), new JoinEffect.Probe("the job"));
        Assert.Equal((JoinPhase.Probing, "finding out how large a micro-batch may be"), (probing.Phase, probing.NotReady));
        var joining = Tell(
            probing, new JoinEvent.Probed(),
            [new JoinEffect.TellProbed(), new JoinEffect.StartTimer(JoinTimer.Coordinator), .. _registration]);
        Assert.Equal(
            (JoinPhase.Joining, "waiting for the other workers to find out how large a micro-batch may be"),
            (joining.Phase, joining.NotReady));
    }

    [Fact]
    public void A_worker_looks_for_the_data_here_and_then_at_the_coordinator()
    {
        Tell(_finding, new JoinEvent.JobRead(NeedsFiles: false), new JoinEffect.Prepare());
        Tell(_finding, new JoinEvent.JobRead(NeedsFiles: true), new JoinEffect.FindData());
        var found = Tell(_finding, new JoinEvent.DataReady(), new JoinEffect.Prepare());
        Assert.Equal((JoinPhase.Preparing, "loading data and model"), (found.Phase, found.NotReady));
        Tell(_finding, new JoinEvent.DataMissing("a file"), new JoinEffect.RequestData("a file"));
        var fetching = Tell(_finding, new JoinEvent.DataOffered(7), new JoinEffect.FetchData());
        Assert.Equal("receiving 7 bytes of data from the coordinator", fetching.NotReady);
        Tell(fetching, new JoinEvent.DataReady(), new JoinEffect.Prepare());
        Tell(_finding, new JoinEvent.DataUnavailable("there is none"), new JoinEffect.Prepare("there is none"));
        Tell(_finding with { MayFetch = false }, new JoinEvent.DataMissing("a file"), new JoinEffect.Prepare());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_worker_trains_once_it_is_linked_and_has_the_initial_parameters(bool hasInitial)
    {
        var welcome = new JoinEvent.Welcomed("a", IsAdopted: false, hasInitial);
        var finding = Tell(_new, welcome, new JoinEffect.StopTimers(), new JoinEffect.ReadJob());
        var preparing = Tell(finding, new JoinEvent.JobRead(NeedsFiles: false), new JoinEffect.Prepare());
        Assert.Equal(preparing, Tell(preparing, new JoinEvent.ReplicaReady(), new JoinEffect.Link()));
        if (hasInitial) AssertIgnores(preparing, new JoinEvent.Linked());
        JoinEvent last = hasInitial ? new JoinEvent.Initialized() : new JoinEvent.Linked();
        var training = Tell(preparing, last, new JoinEffect.TellPrepared());
        Assert.Equal((JoinPhase.Training, null, true), (training.Phase, training.NotReady, training.HasTakenPart));
    }

    [Fact]
    public void An_adopted_worker_links_again_and_resumes()
    {
        var welcome = new JoinEvent.Welcomed("a", IsAdopted: true, HasInitial: true);
        var returning = Tell(_new with { Held = "a" }, welcome, new JoinEffect.StopTimers(), new JoinEffect.Relink());
        Assert.Equal(JoinPhase.Returning, returning.Phase);
        var training = Tell(returning, new JoinEvent.Linked(), new JoinEffect.Resume());
        Assert.Equal((JoinPhase.Training, true), (training.Phase, training.HasTakenPart));
    }

    [Theory]
    [InlineData("a", "a", false)]
    [InlineData("a", "b", true)]
    [InlineData(null, "a", true)]
    public void A_worker_that_is_not_adopted_under_its_name_begins_as_a_newcomer(string? held, string worker, bool isAdopted)
    {
        var welcome = new JoinEvent.Welcomed(worker, isAdopted, HasInitial: false);
        var finding = Tell(_new with { Held = held }, welcome, new JoinEffect.StopTimers(), new JoinEffect.ReadJob());
        Assert.Equal((JoinPhase.Finding, worker), (finding.Phase, finding.Held));
    }

    [Fact]
    public void A_worker_returns_as_another_node_and_says_why()
    {
        var notAccepted = new JoinEffect.Return(ReturnCause.NotAccepted, "the coordinator at host:4711 has not accepted this node");
        AssertOver(_new, new JoinEvent.TimedOut(JoinTimer.Node), notAccepted);
        AssertOver(_new, new JoinEvent.TimedOut(JoinTimer.Answer), notAccepted);
        var notLinked = new JoinEffect.Return(ReturnCause.NotLinked, NotLinked);
        AssertOver(_returning, new JoinEvent.LinkFailed("it was reset"), notLinked);
        AssertOver(_finding, new JoinEvent.LinkFailed("it was reset"), new JoinEffect.TellFailed(NotLinked), notLinked);
        AssertOver(_preparing, new JoinEvent.LinkFailed("it was reset"), new JoinEffect.TellFailed(NotLinked), notLinked);
        AssertOver(_training, new JoinEvent.Refused("it did not answer", MayReturn: true),
            new JoinEffect.Return(ReturnCause.Refused, "the coordinator turned this worker away: it did not answer"));
        AssertOver(_training, new JoinEvent.CoordinatorLost("it does not answer"),
            new JoinEffect.Return(ReturnCause.Lost, "it does not answer"));
    }

    [Fact]
    public void A_disconnected_worker_waits_for_the_reason_before_it_returns()
    {
        var reason = new JoinEffect.StartTimer(JoinTimer.Reason);
        var disconnected = Tell(_training, new JoinEvent.Disconnected("the link broke"), reason);
        Assert.Equal((JoinPhase.Training, "the link broke"), (disconnected.Phase, disconnected.NotReady));
        AssertOver(disconnected, new JoinEvent.TimedOut(JoinTimer.Reason), new JoinEffect.Return(ReturnCause.Lost, "the link broke"));
        AssertOver(disconnected, new JoinEvent.Dismissed("the job is done"), new JoinEffect.End(EndCause.Dismissed, "the job is done"));
        AssertOver(_training, new JoinEvent.TimedOut(JoinTimer.Reason),
            new JoinEffect.Return(ReturnCause.Lost, "the coordinator is gone"));
    }

    [Fact]
    public void A_worker_ends_for_good_and_says_why()
    {
        AssertOver(_new, new JoinEvent.TimedOut(JoinTimer.Coordinator),
            new JoinEffect.End(EndCause.TimedOut, "no coordinator accepted this worker at host:4711 within 5 minutes"));
        AssertOver(_new with { Held = "a" }, new JoinEvent.TimedOut(JoinTimer.Coordinator),
            new JoinEffect.End(EndCause.TimedOut, "the coordinator at host:4711 did not come back within 5 minutes"));
        AssertOver(_preparing, new JoinEvent.Refused("its data differs", MayReturn: false),
            new JoinEffect.End(EndCause.Refused, "the coordinator turned this worker away: its data differs"));
        AssertOver(_training, new JoinEvent.Dismissed("the job is done"), new JoinEffect.End(EndCause.Dismissed, "the job is done"));
        AssertOver(_training, new JoinEvent.Failed("the device failed"),
            new JoinEffect.TellFailed("the device failed"), new JoinEffect.End(EndCause.Failed, "the device failed"));
    }

    [Fact]
    public void A_worker_leaves_at_once_before_training_and_asks_during_training()
    {
        var asked = new JoinEvent.LeaveAsked("the machine is needed");
        foreach (var before in (JoinProtocol[])[_new, _new with { Phase = JoinPhase.Probing }, _finding, _preparing, _returning])
            AssertOver(before, asked, new JoinEffect.End(EndCause.Left, "the machine is needed"));
        Assert.Equal(_training, Tell(_training, asked, new JoinEffect.AskToLeave("the machine is needed")));
    }

    [Fact]
    public void An_event_that_the_phase_does_not_expect_changes_nothing() =>
        Gen.Select(_anyEvent, Gen.Enum<JoinPhase>(), Gen.Bool).Sample((happened, phase, isHeld) =>
        {
            var before = _new with { Phase = phase, Held = isHeld ? "a" : null };
            if (Expects(phase, happened)) Assert.NotEmpty(before.Handle(happened).Effects);
            else AssertIgnores(before, happened);
        });

    private static bool Expects(JoinPhase phase, JoinEvent happened) => happened switch
    {
        _ when phase == JoinPhase.Over => false,
        JoinEvent.Refused or JoinEvent.Dismissed or JoinEvent.Failed or JoinEvent.LeaveAsked => true,
        JoinEvent.Disconnected or JoinEvent.CoordinatorLost or JoinEvent.TimedOut { Timer: JoinTimer.Reason } => true,
        JoinEvent.NodeAccepted or JoinEvent.TimedOut or JoinEvent.ProbeAsked or JoinEvent.Welcomed => phase == JoinPhase.Joining,
        JoinEvent.Probed => phase == JoinPhase.Probing,
        JoinEvent.ReplicaReady or JoinEvent.Initialized => phase == JoinPhase.Preparing,
        JoinEvent.Linked => phase is JoinPhase.Preparing or JoinPhase.Returning,
        JoinEvent.LinkFailed => phase is JoinPhase.Finding or JoinPhase.Preparing or JoinPhase.Returning,
        _ => phase == JoinPhase.Finding,
    };

    private static JoinProtocol Tell(JoinProtocol before, JoinEvent happened, params JoinEffect[] expected)
    {
        var (after, effects) = before.Handle(happened);
        Assert.Equal(expected, effects);
        return after;
    }

    private static void AssertOver(JoinProtocol before, JoinEvent happened, params JoinEffect[] expected) =>
        Assert.Equal(JoinPhase.Over, Tell(before, happened, expected).Phase);

    private static void AssertIgnores(JoinProtocol before, JoinEvent happened)
    {
        var (after, effects) = before.Handle(happened);
        Assert.Empty(effects);
        Assert.Same(before, after);
    }
}
