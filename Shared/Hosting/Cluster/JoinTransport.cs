using System.Net;
using Akka.Actor;
using Akka.Event;
using Akka.Remote.Transport;
using Distributed.Transport.Security;
using RemoteTransport = Akka.Remote.Transport.Transport;

namespace Distributed.Hosting.Cluster;

/// <summary>Made by Akka.Remote, from the settings.</summary>
internal sealed class JoinTransportProvider : ITransportAdapterProvider
{
    public RemoteTransport Create(RemoteTransport wrappedTransport, ExtendedActorSystem system) => new JoinTransport(wrappedTransport, system);
}

/// <summary>
/// Lies between Akka.Remote and its sockets, and lets a connection through once both ends have proved that they hold the join token
/// (<see cref="JoinHandshake"/>). Before that a peer reaches nothing of Akka but the decoder of frames, which knows lengths alone.
/// </summary>
internal sealed class JoinTransport : AbstractTransportAdapter, IAssociationEventListener
{
    /// <summary>Connections that may be open without a proof; see <see cref="ConnectionPlaces"/> for what becomes of more.</summary>
    public const int MaxStrangers = 64;

    /// <summary>Part of an address's protocol: akka.join.tcp.</summary>
    public const string Scheme = "join";

    private readonly JoinSetup _setup;
    private readonly TimeSpan _patience;
    private readonly ILoggingAdapter _log;
    private readonly ConnectionPlaces _places = new(MaxStrangers);
    private volatile IAssociationEventListener? _upstream;

    public JoinTransport(RemoteTransport wrapped, ExtendedActorSystem system) : base(wrapped)
    {
        _setup = system.Settings.Setup.Get<JoinSetup>().Value;
        _patience = system.Settings.Config.GetTimeSpan("akka.remote.dot-netty.tcp.connection-timeout");
        _log = Logging.GetLogger(system, typeof(JoinTransport));
        System = system;
    }

    public override long MaximumPayloadBytes => WrappedTransport.MaximumPayloadBytes - SealedChannel.Overhead;

    protected override SchemeAugmenter SchemeAugmenter { get; } = new(Scheme);

    public void Notify(IAssociationEvent ev)
    {
        if (ev is InboundAssociation { Association: { } connection }) _ = AdmitAsync(connection);
    }

    protected override Task<IAssociationEventListener> InterceptListen(Address listenAddress, Task<IAssociationEventListener> listenerTask)
    {
        listenerTask.ContinueWith(
            listener => _upstream = listener.Result, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously | TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        return Task.FromResult<IAssociationEventListener>(this);
    }

    protected override void InterceptAssociate(Address remoteAddress, TaskCompletionSource<AssociationHandle> statusPromise) => _ = AssociateAsync(remoteAddress, statusPromise);

    private async Task AdmitAsync(AssociationHandle connection)
    {
        var association = new JoinAssociation(connection, JoinHandshake.Accepting(_setup.Token, JoinHandshake.Control), _log);
        using var place = _places.Enter(OriginOf(connection.RemoteAddress), () => association.Refuse(Refusal.Crowded));
        if (place is null) association.Refuse(Refusal.Crowded);
        if (await association.ProveAsync(_patience).ConfigureAwait(false) is { } refusal) _setup.Refused(refusal, connection.RemoteAddress);
        else _upstream?.Notify(new InboundAssociation(association));
    }

    private async Task AssociateAsync(Address remote, TaskCompletionSource<AssociationHandle> promise)
    {
        try
        {
            var connection = await WrappedTransport.Associate(remote).ConfigureAwait(false);
            var association = new JoinAssociation(connection, JoinHandshake.Connecting(_setup.Token, JoinHandshake.Control), _log);
            if (await association.ProveAsync(_patience).ConfigureAwait(false) is not { } refusal)
            {
                promise.TrySetResult(association);
                return;
            }
            if (refusal is Refusal.Untrusted or Refusal.Garbage) _setup.Refused(refusal, remote);
            if (refusal == Refusal.Untrusted) _setup.Unbelieved(remote);
            throw new InvalidAssociationException($"{remote} has not proved that it holds the join token: {refusal}");
        }
        catch (Exception error)
        {
            // Akka tries again, and tells why.
            promise.TrySetException(error);
        }
    }

    private static string OriginOf(Address remote) => IPAddress.TryParse(remote.Host, out var address) ? ConnectionPlaces.OriginOf(new IPEndPoint(address, 0)) : "";
}
