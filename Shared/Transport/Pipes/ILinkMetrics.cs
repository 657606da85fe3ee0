using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>Counts what happens on the tensor links of a process. Called from every thread.</summary>
internal interface ILinkMetrics
{
    /// <summary>A connection did not become a link.</summary>
    void ConnectionRefused(Refusal reason);

    /// <summary>A frame was refused that no correct peer sends.</summary>
    void Violation();

    /// <summary>A frame was refused that belongs to the past.</summary>
    void Stale();

    /// <summary>So many frames are sent once more.</summary>
    void Resent(int frames);

    /// <summary>So many more bytes have been sent, headers included.</summary>
    void Sent(long bytes);

    /// <summary>So many more bytes have been received, headers included.</summary>
    void Received(long bytes);
}
