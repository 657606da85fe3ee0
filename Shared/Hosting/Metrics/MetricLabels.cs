namespace Distributed.Hosting.Metrics;

/// <summary>The labels of the metrics, and the values of those that are a closed set.</summary>
internal static class MetricLabels
{
    /// <summary>How far a worker is: a <see cref="Core.Protocol.MemberStatus"/> in lower case.</summary>
    public const string State = "state";

    /// <summary>What a connection is for: <see cref="Control"/>, <see cref="Links"/> or <see cref="Http"/>.</summary>
    public const string Plane = "plane";
    /// <summary>Membership, plans and reports.</summary>
    public const string Control = "control";
    public const string Links = "links";
    /// <summary>Metrics, probes and the live page.</summary>
    public const string Http = "http";

    /// <summary>Why a frame was refused, <see cref="Stale"/> or <see cref="Violation"/>, a message, <see cref="Unknown"/>, <see cref="Malformed"/> or <see cref="Oversize"/>, or a connection, a <see cref="Transport.Security.Refusal"/> in lower case, or a worker started again, <see cref="Killed"/> or <see cref="Failed"/>.</summary>
    public const string Reason = "reason";
    public const string Stale = "stale";
    /// <summary>No correct peer sends the frame.</summary>
    public const string Violation = "violation";
    /// <summary>The message is of no kind that this version knows.</summary>
    public const string Unknown = "unknown";
    /// <summary>The message is not what its kind should be.</summary>
    public const string Malformed = "malformed";

    /// <summary>A message has more bytes than may be sent.</summary>
    public const string Oversize = "oversize";

    /// <summary>The worker's process was killed, or crashed.</summary>
    public const string Killed = "killed";
    /// <summary>The worker's process ended with an error, or could not be started.</summary>
    public const string Failed = "failed";
    /// <summary>A request came under a name that is none of the process's.</summary>
    public const string Host = "host";
    /// <summary>A request came without the token of the page.</summary>
    public const string Token = "token";

    /// <summary>Which way bytes or messages went: <see cref="Sent"/> or <see cref="Received"/>.</summary>
    public const string Direction = "direction";
    public const string Sent = "sent";
    public const string Received = "received";

    /// <summary>Name of the contract of a message, such as RoundsApplied.</summary>
    public const string Message = "message";

    /// <summary>Part of a step: <see cref="Compute"/>, <see cref="Send"/>, <see cref="Wait"/> or <see cref="Apply"/>.</summary>
    public const string Phase = "phase";
    /// <summary>Forward and backward passes, and local sums.</summary>
    public const string Compute = "compute";
    public const string Send = "send";
    public const string Wait = "wait";
    public const string Apply = "apply";

    /// <summary>Kind of a round: <see cref="Train"/> or <see cref="Evaluate"/>.</summary>
    public const string Kind = "kind";
    public const string Train = "train";
    /// <summary>A pass over the test set.</summary>
    public const string Evaluate = "evaluate";

    /// <summary>When bytes of a contribution left: <see cref="Computing"/> or <see cref="Waiting"/>.</summary>
    public const string When = "when";
    /// <summary>While the worker still computed: hidden.</summary>
    public const string Computing = "computing";
    /// <summary>While the worker waited for the average.</summary>
    public const string Waiting = "waiting";

    /// <summary>What a model is judged by: the name of a <see cref="Core.Scores.Metric"/>.</summary>
    public const string Metric = "metric";

    /// <summary>Why a generation began: a <see cref="Core.Protocol.GenerationCause"/> in lower case.</summary>
    public const string Cause = "cause";

    public const string Worker = "worker";

    /// <summary>What a worker computes with, such as cpu or cuda:0.</summary>
    public const string Device = "device";
}
