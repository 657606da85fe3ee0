using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>A link is broken, or the other end violated the protocol. The message is meant for the user.</summary>
internal sealed class LinkException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether the other end is gone, as opposed to a violation of the protocol.</summary>
    public bool IsDisconnect { get; init; }

    /// <summary>Set if one of the two ends has refused the connection.</summary>
    public Refusal? Refusal { get; init; }
}
