using System.Net;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Event;
using Akka.Remote.Transport;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Security;
using Google.Protobuf;
using RemoteTransport = Akka.Remote.Transport.Transport;

namespace Distributed.Hosting.Cluster;

/// <summary>The parameters of <see cref="JoinTransport"/>, which settings cannot hold.</summary>
internal sealed class JoinSetup(JoinToken token, ControlMetrics? metrics, RefusalLog? log, Action<Address>? untrusted) : Setup
{
    public JoinToken Token => token;

    public void Refused(Refusal reason, Address peer)
    {
        metrics?.ConnectionRefused(reason);
        log?.Refused(reason, $"{peer.Host}:{peer.Port}", reason switch
        {
            Refusal.Untrusted => "it does not have the join token",
            Refusal.Slow => "it did not prove in time that it has the join token",
            Refusal.Crowded => $"another took its place, as {JoinTransport.MaxStrangers} connections had proved nothing yet",
            Refusal.Closed => "it was closed before it had proved that it has the join token",
            _ => "its message does not prove the join token",
        });
    }

    public void Untrusted(Address address) => untrusted?.Invoke(address);
}

internal sealed class JoinTransportProvider : ITransportAdapterProvider
{
    public RemoteTransport Create(RemoteTransport wrappedTransport, ExtendedActorSystem system) =>
        new JoinTransport(wrappedTransport, system);
}

/// <summary>Sits between Akka.Remote and its sockets. A connection passes once both ends have proved that they have the join token
/// (<see cref="JoinHandshake"/>). Before that, a peer reaches only Akka's decoder of frames, which knows lengths alone.</summary>
internal sealed class JoinTransport : AbstractTransportAdapter, IAssociationEventListener
{
    public const int MaxStrangers = 64; // Connections without a proof at a time; ConnectionPlaces closes one if another arrives.
    public const string Scheme = "join"; // Part of the protocol in an address: akka.join.tcp.

    internal const TaskContinuationOptions AtOnce =
        TaskContinuationOptions.ExecuteSynchronously | TaskContinuationOptions.OnlyOnRanToCompletion;

    private readonly JoinSetup _setup;
    private readonly TimeSpan _timeout;
    private readonly ILoggingAdapter _log;
    private readonly ConnectionPlaces _places = new(MaxStrangers);
    private volatile IAssociationEventListener? _upstream;

    public JoinTransport(RemoteTransport wrapped, ExtendedActorSystem system) : base(wrapped)
    {
        _setup = system.Settings.Setup.Get<JoinSetup>().Value;
        _timeout = system.Settings.Config.GetTimeSpan("akka.remote.dot-netty.tcp.connection-timeout");
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
        listenerTask.ContinueWith(listener => _upstream = listener.Result, CancellationToken.None, AtOnce, TaskScheduler.Default);
        return Task.FromResult<IAssociationEventListener>(this);
    }

    protected override void InterceptAssociate(Address remoteAddress, TaskCompletionSource<AssociationHandle> statusPromise) =>
        _ = AssociateAsync(remoteAddress, statusPromise);

    private async Task AdmitAsync(AssociationHandle connection)
    {
        var association = new JoinAssociation(connection, JoinHandshake.Accepting(_setup.Token, JoinHandshake.Control), _log);
        using var place = _places.Enter(OriginOf(connection.RemoteAddress), () => association.Refuse(Refusal.Crowded));
        if (place is null) association.Refuse(Refusal.Crowded);
        var refusal = await association.ProveAsync(_timeout).ConfigureAwait(false);
        if (refusal is { } reason) _setup.Refused(reason, connection.RemoteAddress);
        else _upstream?.Notify(new InboundAssociation(association));
    }

    private async Task AssociateAsync(Address remote, TaskCompletionSource<AssociationHandle> promise)
    {
        try
        {
            var connection = await WrappedTransport.Associate(remote).ConfigureAwait(false);
            var association = new JoinAssociation(connection, JoinHandshake.Connecting(_setup.Token, JoinHandshake.Control), _log);
            if (await association.ProveAsync(_timeout).ConfigureAwait(false) is not { } refusal)
            {
                promise.TrySetResult(association);
                return;
            }
            if (refusal is Refusal.Untrusted or Refusal.Garbage) _setup.Refused(refusal, remote);
            if (refusal == Refusal.Untrusted) _setup.Untrusted(remote);
            throw new InvalidAssociationException($"{remote} has not proved that it has the join token: {refusal}");
        }
        catch (Exception error)
        {
            // Akka logs it and tries again.
            promise.TrySetException(error);
        }
    }

    private static string OriginOf(Address remote) =>
        IPAddress.TryParse(remote.Host, out var address) ? ConnectionPlaces.OriginOf(new IPEndPoint(address, 0)) : "";
}

/// <summary>A connection that begins with a <see cref="JoinHandshake"/> and then seals every message. Safe from every thread.</summary>
internal sealed class JoinAssociation : AbstractTransportAdapterHandle, IHandleEventListener
{
    private readonly Lock _reading = new();
    private readonly Lock _writing = new();
    private readonly ILoggingAdapter _log;
    private readonly JoinHandshake _handshake;
    private readonly TaskCompletionSource<Refusal?> _proved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<IHandleEvent> _early = new();
    private volatile SealedChannel? _channel;
    private IHandleEventListener? _listener;

    public JoinAssociation(AssociationHandle connection, JoinHandshake handshake, ILoggingAdapter log)
        : base(connection, JoinTransport.Scheme)
    {
        (_handshake, _log) = (handshake, log);
        ReadHandlerSource.Task.ContinueWith(
            listener => Listen(listener.Result), CancellationToken.None, JoinTransport.AtOnce, TaskScheduler.Default);
    }

    /// <summary>Waits until both ends have proved the token; closes the connection if that fails.</summary>
    /// <returns>Why it has failed; null if it has not.</returns>
    public async Task<Refusal?> ProveAsync(TimeSpan timeout)
    {
        if (_handshake.Opening is { } opening) WrappedHandle.Write(ByteString.CopyFrom(opening));
        WrappedHandle.ReadHandlerSource.TrySetResult(this);
        await ((Task)_proved.Task).WaitAsync(timeout).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Either the proof or the timeout counts.
        _proved.TrySetResult(Refusal.Slow);
        var refusal = await _proved.Task.ConfigureAwait(false);
        if (refusal is not null) WrappedHandle.Disassociate("it has not proved that it has the join token", _log);
        return refusal;
    }

    public void Refuse(Refusal reason) => _proved.TrySetResult(reason);

    public override bool Write(ByteString payload)
    {
        // Messages are numbered in the order in which they leave.
        lock (_writing) return WrappedHandle.Write(UnsafeByteOperations.UnsafeWrap(_channel!.Seal(payload.Span)));
    }

#pragma warning disable CS0672 // The base class declares it like this.
    public override void Disassociate() => WrappedHandle.Disassociate("Akka has closed it", _log);
#pragma warning restore CS0672

    public void Notify(IHandleEvent ev)
    {
        lock (_reading)
        {
            if (_channel is null) Prove(ev);
            else Deliver(ev is InboundPayload sealedMessage ? Opened(sealedMessage) : ev);
        }
    }

    private void Prove(IHandleEvent ev)
    {
        if (_proved.Task.IsCompleted) return;
        if (ev is not InboundPayload message)
        {
            _proved.TrySetResult(Refusal.Closed);
            return;
        }
        var (reply, channel, refusal) = _handshake.Receive(message.Payload.Span);
        if (reply is not null) WrappedHandle.Write(ByteString.CopyFrom(reply));
        _channel = channel;
        if (channel is not null || refusal is not null) _proved.TrySetResult(refusal);
    }

    private IHandleEvent Opened(InboundPayload box)
    {
        if (_channel!.Open(box.Payload.Span) is { } message) return new InboundPayload(UnsafeByteOperations.UnsafeWrap(message));
        _log.Warning("The connection between {0} and {1} is closed: a message was modified in transit", LocalAddress, RemoteAddress);
        WrappedHandle.Disassociate("a message was modified in transit", _log);
        return new Disassociated(DisassociateInfo.Unknown);
    }

    private void Deliver(IHandleEvent ev)
    {
        if (_listener is { } listener) listener.Notify(ev);
        else _early.Enqueue(ev);
    }

    private void Listen(IHandleEventListener listener)
    {
        lock (_reading)
        {
            _listener = listener;
            while (_early.TryDequeue(out var ev)) listener.Notify(ev);
        }
    }
}
