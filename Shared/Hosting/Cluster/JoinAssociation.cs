using Akka.Event;
using Akka.Remote.Transport;
using Distributed.Transport.Security;
using Google.Protobuf;

namespace Distributed.Hosting.Cluster;

/// <summary>A connection that begins with a <see cref="JoinHandshake"/>, behind which every message is sealed. Safe from every thread.</summary>
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

    /// <summary>Over a connection that nothing was said on yet.</summary>
    public JoinAssociation(AssociationHandle connection, JoinHandshake handshake, ILoggingAdapter log) : base(connection, JoinTransport.Scheme)
    {
        (_handshake, _log) = (handshake, log);
        ReadHandlerSource.Task.ContinueWith(
            listener => Listen(listener.Result), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously | TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
    }

    /// <summary>Waits until both ends have proved themselves; closes the connection if that fails.</summary>
    /// <returns>Why it has failed; null if it has not.</returns>
    public async Task<Refusal?> ProveAsync(TimeSpan patience)
    {
        if (_handshake.Opening is { } opening) WrappedHandle.Write(ByteString.CopyFrom(opening));
        WrappedHandle.ReadHandlerSource.TrySetResult(this);
        await ((Task)_proved.Task).WaitAsync(patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Of a proof and the end of the patience, one counts.
        _proved.TrySetResult(Refusal.Slow);
        var refusal = await _proved.Task.ConfigureAwait(false);
        if (refusal is not null) WrappedHandle.Disassociate("it has not proved that it holds the join token", _log);
        return refusal;
    }

    public void Refuse(Refusal reason) => _proved.TrySetResult(reason);

    public override bool Write(ByteString payload)
    {
        // Messages are numbered in the order in which they leave.
        lock (_writing) return WrappedHandle.Write(UnsafeByteOperations.UnsafeWrap(_channel!.Seal(payload.Span)));
    }

#pragma warning disable CS0672 // The base has it so.
    public override void Disassociate() => WrappedHandle.Disassociate("Akka has ended it", _log);
#pragma warning restore CS0672

    /// <summary>Something has come over the connection, or it is closed.</summary>
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
        _log.Warning("A message on the connection between {0} and {1} was changed on its way: the connection is closed", LocalAddress, RemoteAddress);
        WrappedHandle.Disassociate("a message was changed on its way", _log);
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
