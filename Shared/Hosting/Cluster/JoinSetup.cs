using Akka.Actor;
using Akka.Actor.Setup;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Security;

namespace Distributed.Hosting.Cluster;

/// <summary>How an actor system admits its peers by a join token: what <see cref="JoinTransport"/> needs and settings cannot hold.</summary>
/// <param name="unbelieved">Is told the address that was connected to, where the process there does not hold the token.</param>
internal sealed class JoinSetup(JoinToken token, ControlMetrics? metrics, RefusalLog? log, Action<Address>? unbelieved) : Setup
{
    /// <summary>What both ends of a connection have to hold.</summary>
    public JoinToken Token => token;

    public void Refused(Refusal reason, Address peer)
    {
        metrics?.ConnectionRefused(reason);
        log?.Refused(reason, $"{peer.Host}:{peer.Port}", reason switch
        {
            Refusal.Untrusted => "it does not hold the join token",
            Refusal.Slow => "it did not prove in time that it holds the join token",
            Refusal.Crowded => $"another took its place, as {JoinTransport.MaxStrangers} connections had proved nothing yet",
            Refusal.Closed => "it was closed before it had proved that it holds the join token",
            _ => "what came is no proof of a join token",
        });
    }

    /// <summary>The process at an address does not hold the token.</summary>
    public void Unbelieved(Address address) => unbelieved?.Invoke(address);
}
