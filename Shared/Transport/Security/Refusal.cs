namespace Distributed.Transport.Security;

/// <summary>Why a connection was refused. As a label of metrics: in lower case.</summary>
public enum Refusal
{
    /// <summary>It was closed again before it had said who it is, as whoever looks for open ports does.</summary>
    Closed,

    /// <summary>What came is not what a connection begins with here.</summary>
    Garbage,

    /// <summary>It showed no certificate.</summary>
    Anonymous,

    /// <summary>No authority of ca.crt has signed the certificate, or not for this use; or the other end does not take this one's.</summary>
    Untrusted,

    /// <summary>The certificate has expired, or is not valid yet.</summary>
    Expired,

    /// <summary>The certificate does not have the name that was connected to.</summary>
    Name,

    /// <summary>It did not say in time who it is.</summary>
    Slow,

    /// <summary>Too many others had not said yet who they are.</summary>
    Crowded,

    /// <summary>It is of another job, or not expected.</summary>
    Stranger,
}
