namespace Distributed.Core.Protocol;

/// <summary>Where a worker stands on its way into a job.</summary>
internal enum JoinPhase
{
    /// <summary>Registers with the coordinator until it answers.</summary>
    Joining,
    /// <summary>Measures how large a micro-batch its memory allows.</summary>
    Probing,
    /// <summary>Looks for the job's data, here and then at the coordinator.</summary>
    Finding,
    /// <summary>Loads data and model, connects its links and takes the initial parameters.</summary>
    Preparing,
    /// <summary>Was adopted with the rounds that it holds, and connects to the coordinator again.</summary>
    Returning,
    /// <summary>Takes part in the job.</summary>
    Training,
    /// <summary>Has ended, or left to come back as another node.</summary>
    Over,
}

/// <summary>The time limits of a worker that joins.</summary>
internal enum JoinTimer
{
    /// <summary>Until the cluster accepts this worker's node.</summary>
    Node,
    /// <summary>Until the coordinator answers a node that the cluster has accepted.</summary>
    Answer,
    /// <summary>Until the worker registers again.</summary>
    Register,
    /// <summary>Until any coordinator accepts this worker.</summary>
    Coordinator,
    /// <summary>Until the reason of a disconnection, which comes over another connection, is taken as lost.</summary>
    Reason,
}

/// <summary>Why a worker leaves the coordinator and registers again as another node.</summary>
internal enum ReturnCause
{
    /// <summary>The cluster or the coordinator did not accept this node in time.</summary>
    NotAccepted,
    /// <summary>The link to the coordinator could not be made.</summary>
    NotLinked,
    /// <summary>The coordinator refused this worker, which may register again.</summary>
    Refused,
    /// <summary>The coordinator, or a connection to it, was lost.</summary>
    Lost,
}

/// <summary>Why a worker ends for good.</summary>
internal enum EndCause
{
    /// <summary>No coordinator accepted it in time.</summary>
    TimedOut,
    /// <summary>It was told to leave before it took part.</summary>
    Left,
    /// <summary>The coordinator refused it for good.</summary>
    Refused,
    /// <summary>The coordinator dismissed it: the job is done, or the worker asked to leave.</summary>
    Dismissed,
    /// <summary>Its data, model or device failed.</summary>
    Failed,
}

/// <summary>What happens to a worker that joins a job.</summary>
internal abstract record JoinEvent
{
    /// <summary>The cluster has accepted this worker's node.</summary>
    internal sealed record NodeAccepted : JoinEvent;
    /// <summary>A time limit has passed.</summary>
    internal sealed record TimedOut(JoinTimer Timer) : JoinEvent;
    /// <summary>The coordinator asks how large a micro-batch may be.</summary>
    internal sealed record ProbeAsked(string Job) : JoinEvent;
    /// <summary>The size of a micro-batch is measured.</summary>
    internal sealed record Probed : JoinEvent;
    /// <summary>The coordinator has accepted this worker; <paramref name="IsAdopted"/>: with the rounds that it holds.</summary>
    internal sealed record Welcomed(string Worker, bool IsAdopted, bool HasInitial) : JoinEvent;
    /// <summary>The job is read; <paramref name="NeedsFiles"/> where its data is in files.</summary>
    internal sealed record JobRead(bool NeedsFiles) : JoinEvent;
    /// <summary>The data is on this machine.</summary>
    internal sealed record DataReady : JoinEvent;
    /// <summary>Data is missing on this machine.</summary>
    internal sealed record DataMissing(string What) : JoinEvent;
    /// <summary>The coordinator can send the data.</summary>
    internal sealed record DataOffered(long Bytes) : JoinEvent;
    /// <summary>The coordinator cannot send the data.</summary>
    internal sealed record DataUnavailable(string Reason) : JoinEvent;
    /// <summary>Data and model are loaded.</summary>
    internal sealed record ReplicaReady : JoinEvent;
    /// <summary>The links are connected.</summary>
    internal sealed record Linked : JoinEvent;
    /// <summary>The link to the coordinator could not be connected, or broke while data came over it.</summary>
    internal sealed record LinkFailed(string Reason) : JoinEvent;
    /// <summary>The initial parameters are in the replica.</summary>
    internal sealed record Initialized : JoinEvent;
    /// <summary>This worker is told to leave.</summary>
    internal sealed record LeaveAsked(string Reason) : JoinEvent;
    /// <summary>The coordinator refuses this worker.</summary>
    internal sealed record Refused(string Reason, bool MayReturn) : JoinEvent;
    /// <summary>The coordinator dismisses this worker.</summary>
    internal sealed record Dismissed(string Reason) : JoinEvent;
    /// <summary>This worker's data, model or device failed.</summary>
    internal sealed record Failed(string Reason) : JoinEvent;
    /// <summary>The link to the coordinator or its process is gone; the reason may still arrive.</summary>
    internal sealed record Disconnected(string Reason) : JoinEvent;
    /// <summary>Nothing can arrive from the coordinator any more.</summary>
    internal sealed record CoordinatorLost(string Reason) : JoinEvent;
}

/// <summary>What a worker that joins a job does, as its protocol decides.</summary>
internal abstract record JoinEffect
{
    /// <summary>Start this timer anew.</summary>
    internal sealed record StartTimer(JoinTimer Timer) : JoinEffect;
    /// <summary>Stop all timers.</summary>
    internal sealed record StopTimers : JoinEffect;
    /// <summary>Register with the coordinator.</summary>
    internal sealed record Register : JoinEffect;
    /// <summary>Measure how large a micro-batch of this job may be.</summary>
    internal sealed record Probe(string Job) : JoinEffect;
    /// <summary>Tell the coordinator the measured size.</summary>
    internal sealed record TellProbed : JoinEffect;
    /// <summary>Discard what an earlier part in the job left, and read the job.</summary>
    internal sealed record ReadJob : JoinEffect;
    /// <summary>Look for the data on this machine.</summary>
    internal sealed record FindData : JoinEffect;
    /// <summary>Ask the coordinator for the data.</summary>
    internal sealed record RequestData(string Missing) : JoinEffect;
    /// <summary>Receive the data from the coordinator.</summary>
    internal sealed record FetchData : JoinEffect;
    /// <summary>Load data and model; <paramref name="NotDelivered"/> is why the coordinator could not send the data.</summary>
    internal sealed record Prepare(string? NotDelivered = null) : JoinEffect;
    /// <summary>Connect the links.</summary>
    internal sealed record Link : JoinEffect;
    /// <summary>Connect the replica, which goes on meanwhile, to the coordinator again.</summary>
    internal sealed record Relink : JoinEffect;
    /// <summary>Tell the coordinator that this worker is prepared.</summary>
    internal sealed record TellPrepared : JoinEffect;
    /// <summary>Tell the coordinator what this worker holds, then the reports that it misses.</summary>
    internal sealed record Resume : JoinEffect;
    /// <summary>Ask the coordinator to let this worker go.</summary>
    internal sealed record AskToLeave(string Reason) : JoinEffect;
    /// <summary>Tell the coordinator that this worker cannot go on.</summary>
    internal sealed record TellFailed(string Reason) : JoinEffect;
    /// <summary>Leave, and register again as another node with what this worker holds.</summary>
    internal sealed record Return(ReturnCause Cause, string Reason) : JoinEffect;
    /// <summary>End for good.</summary>
    internal sealed record End(EndCause Cause, string Reason) : JoinEffect;
}

/// <summary>
/// The protocol of a worker's way into a job and out of it: register, probe, find data, prepare, train, return or leave. What it computes
/// while it trains is <see cref="ReplicaProtocol"/>'s. Values in, values out.
/// </summary>
/// <param name="Coordinator">Address of the coordinator, for messages.</param>
/// <param name="Timeout">How long <see cref="JoinTimer.Coordinator"/> runs, for messages.</param>
/// <param name="Held">Name under which this worker holds rounds of the job; null for a newcomer.</param>
/// <param name="MayFetch">Whether the coordinator may send the data.</param>
internal sealed record JoinProtocol(string Coordinator, TimeSpan Timeout, string? Held = null, bool MayFetch = true)
{
    /// <summary>Where the worker stands.</summary>
    public JoinPhase Phase { get; init; }

    /// <summary>Why the worker is not ready to train, for people; null while it trains.</summary>
    public string? NotReady { get; init; } = "joining the cluster";

    /// <summary>Whether this worker has taken part in the job since it registered.</summary>
    public bool HasTakenPart { get; init; }

    private bool HasInitial { get; init; }

    /// <summary>What a worker does first.</summary>
    public static IReadOnlyList<JoinEffect> Start { get; } =
        [new JoinEffect.StartTimer(JoinTimer.Coordinator), new JoinEffect.StartTimer(JoinTimer.Node)];

    private static IReadOnlyList<JoinEffect> Registration { get; } =
        [new JoinEffect.Register(), new JoinEffect.StartTimer(JoinTimer.Register)];

    /// <summary>The next state after an event, and what to do, in order. An event that the phase does not expect changes nothing.</summary>
    public (JoinProtocol State, IReadOnlyList<JoinEffect> Effects) Handle(JoinEvent happened) => (Phase, happened) switch
    {
        (JoinPhase.Over, _) => (this, []),
        (_, JoinEvent.Refused e) => e.MayReturn ? Return(ReturnCause.Refused, RefusalOf(e)) : End(EndCause.Refused, RefusalOf(e)),
        (_, JoinEvent.Dismissed e) => End(EndCause.Dismissed, e.Reason),
        (_, JoinEvent.Failed e) => End(EndCause.Failed, e.Reason, new JoinEffect.TellFailed(e.Reason)),
        (_, JoinEvent.Disconnected e) => (this with { NotReady = e.Reason }, [new JoinEffect.StartTimer(JoinTimer.Reason)]),
        (_, JoinEvent.CoordinatorLost e) => Return(ReturnCause.Lost, e.Reason),
        (_, JoinEvent.TimedOut { Timer: JoinTimer.Reason }) => Return(ReturnCause.Lost, NotReady ?? "the coordinator is gone"),
        (JoinPhase.Training, JoinEvent.LeaveAsked e) => (this, [new JoinEffect.AskToLeave(e.Reason)]),
        (_, JoinEvent.LeaveAsked e) => End(EndCause.Left, e.Reason),
        (JoinPhase.Joining, JoinEvent.NodeAccepted) => (this, [new JoinEffect.StartTimer(JoinTimer.Answer), .. Registration]),
        (JoinPhase.Joining, JoinEvent.TimedOut e) => Expire(e.Timer),
        (JoinPhase.Joining, JoinEvent.ProbeAsked e) => (
            this with { Phase = JoinPhase.Probing, NotReady = "finding out how large a micro-batch may be" },
            [new JoinEffect.StopTimers(), new JoinEffect.Probe(e.Job)]),
        (JoinPhase.Joining, JoinEvent.Welcomed e) => Enter(e),
        (JoinPhase.Probing, JoinEvent.Probed) => (
            this with { Phase = JoinPhase.Joining, NotReady = "waiting for the other workers to find out how large a micro-batch may be" },
            [new JoinEffect.TellProbed(), new JoinEffect.StartTimer(JoinTimer.Coordinator), .. Registration]),
        (JoinPhase.Finding, JoinEvent.JobRead { NeedsFiles: true }) => (this, [new JoinEffect.FindData()]),
        (JoinPhase.Finding, JoinEvent.DataMissing e) when MayFetch => (this, [new JoinEffect.RequestData(e.What)]),
        (JoinPhase.Finding, JoinEvent.DataOffered e) => (
            this with { NotReady = $"receiving {e.Bytes} bytes of data from the coordinator" }, [new JoinEffect.FetchData()]),
        (JoinPhase.Finding, JoinEvent.DataUnavailable e) => Prepare(e.Reason),
        (JoinPhase.Finding, JoinEvent.JobRead or JoinEvent.DataMissing or JoinEvent.DataReady) => Prepare(),
        (JoinPhase.Preparing, JoinEvent.ReplicaReady) => (this, [new JoinEffect.Link()]),
        (JoinPhase.Preparing, JoinEvent.Linked) when HasInitial => (this, []),
        (JoinPhase.Preparing, JoinEvent.Linked or JoinEvent.Initialized) => Train(new JoinEffect.TellPrepared()),
        (JoinPhase.Returning, JoinEvent.Linked) => Train(new JoinEffect.Resume()),
        (JoinPhase.Returning, JoinEvent.LinkFailed e) => Return(ReturnCause.NotLinked, NotLinked(e)),
        (JoinPhase.Finding or JoinPhase.Preparing, JoinEvent.LinkFailed e) =>
            Return(ReturnCause.NotLinked, NotLinked(e), new JoinEffect.TellFailed(NotLinked(e))),
        _ => (this, []),
    };

    private (JoinProtocol, IReadOnlyList<JoinEffect>) Expire(JoinTimer timer) => timer switch
    {
        JoinTimer.Register => (this, Registration),
        JoinTimer.Coordinator => End(EndCause.TimedOut, Held is null
            ? $"no coordinator accepted this worker at {Coordinator} within {Timeout.TotalMinutes:0.##} minutes"
            : $"the coordinator at {Coordinator} did not come back within {Timeout.TotalMinutes:0.##} minutes"),
        _ => Return(ReturnCause.NotAccepted, $"the coordinator at {Coordinator} has not accepted this node"),
    };

    private (JoinProtocol, IReadOnlyList<JoinEffect>) Enter(JoinEvent.Welcomed e)
    {
        var known = this with { Held = e.Worker, HasInitial = e.HasInitial };
        return e.IsAdopted && e.Worker == Held
            ? (known with { Phase = JoinPhase.Returning }, [new JoinEffect.StopTimers(), new JoinEffect.Relink()])
            : (known with { Phase = JoinPhase.Finding, NotReady = "looking for the data" },
                [new JoinEffect.StopTimers(), new JoinEffect.ReadJob()]);
    }

    private (JoinProtocol, IReadOnlyList<JoinEffect>) Prepare(string? notDelivered = null) =>
        (this with { Phase = JoinPhase.Preparing, NotReady = "loading data and model" }, [new JoinEffect.Prepare(notDelivered)]);

    private (JoinProtocol, IReadOnlyList<JoinEffect>) Train(JoinEffect first) =>
        (this with { Phase = JoinPhase.Training, NotReady = null, HasTakenPart = true }, [first]);

    private (JoinProtocol, IReadOnlyList<JoinEffect>) Return(ReturnCause cause, string reason, params IEnumerable<JoinEffect> first) =>
        (this with { Phase = JoinPhase.Over, NotReady = reason }, [.. first, new JoinEffect.Return(cause, reason)]);

    private (JoinProtocol, IReadOnlyList<JoinEffect>) End(EndCause cause, string reason, params IEnumerable<JoinEffect> first) =>
        (this with { Phase = JoinPhase.Over }, [.. first, new JoinEffect.End(cause, reason)]);

    private static string NotLinked(JoinEvent.LinkFailed e) => $"the link to the coordinator could not be made: {e.Reason}";

    private static string RefusalOf(JoinEvent.Refused e) => $"the coordinator turned this worker away: {e.Reason}";
}
