using Akka.Actor;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Cluster;

/// <summary>How the control plane keeps strangers out. There is no third way.</summary>
public abstract record ControlSecurity
{
    private ControlSecurity()
    {
    }

    /// <summary>Protocol of the addresses.</summary>
    internal abstract string Protocol { get; }

    /// <summary>Both ends of a connection show certificates.</summary>
    /// <param name="Tls">What they show and believe.</param>
    public sealed record Certificates(ControlTls Tls) : ControlSecurity
    {
        internal override string Protocol => "akka.ssl.tcp";
    }

    /// <summary>Both ends of a connection prove that they hold a token.</summary>
    /// <param name="Join">The token.</param>
    /// <param name="Log">Tells people of refused connections.</param>
    /// <param name="Unbelieved">Is told the address that was connected to, where the process there does not hold the token.</param>
    public sealed record Token(JoinToken Join, RefusalLog? Log = null, Action<Address>? Unbelieved = null) : ControlSecurity
    {
        internal override string Protocol => $"akka.{JoinTransport.Scheme}.tcp";
    }
}
