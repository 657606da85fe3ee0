using Akka.Actor;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Cluster;

/// <summary>How the control plane keeps strangers out. There is no third way.</summary>
internal abstract record ControlSecurity
{
    private ControlSecurity()
    {
    }

    internal abstract string Protocol { get; }

    /// <summary>Both ends of a connection show certificates.</summary>
    internal sealed record Certificates(ControlTls Tls) : ControlSecurity
    {
        internal override string Protocol => "akka.ssl.tcp";
    }

    /// <summary>Both ends of a connection prove that they hold a token.</summary>
    /// <param name="Unbelieved">Is told the address that was connected to, where the process there does not hold the token.</param>
    internal sealed record Token(JoinToken Join, RefusalLog? Log = null, Action<Address>? Unbelieved = null) : ControlSecurity
    {
        internal override string Protocol => $"akka.{JoinTransport.Scheme}.tcp";
    }
}
