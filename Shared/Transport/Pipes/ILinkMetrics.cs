using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>Counts events on the tensor links of a process. Bytes include headers. Called from every thread.</summary>
internal interface ILinkMetrics
{
    /// <summary>A connection did not become a link.</summary>
    void ConnectionRefused(Refusal reason);

    /// <summary>A frame was rejected that no correct peer sends.</summary>
    void Violation();

    /// <summary>A frame of an older generation or an earlier round was dropped.</summary>
    void Stale();

    /// <summary>Frames are sent a second time, after a change of plan.</summary>
    void Resent(int frames);
    void Sent(long bytes);
    void Received(long bytes);
}
