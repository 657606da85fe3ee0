using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>A link was broken or broke its rules; the message is the reason, in a user's words.</summary>
internal sealed class LinkException : Exception
{
    public LinkException(string message) : base(message) { }

    public LinkException(string message, Exception inner) : base(message, inner) { }

    /// <summary>Whether the other end is gone, rather than has broken a rule.</summary>
    public bool IsDisconnect { get; init; }

    /// <summary>Why the connection did not become a link, if one of the two ends has refused it.</summary>
    public Refusal? Refusal { get; init; }
}
