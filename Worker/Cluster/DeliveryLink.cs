using Distributed.Core;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Cluster;

/// <param name="Initial">The file with the initial parameters, which precedes the data; null if none was announced.</param>
internal sealed record DeliveredLink(IFramePipe Pipe, byte[]? Initial) : IDisposable
{
    public void Dispose() => Pipe.Dispose();
}

// The link to the coordinator while it sends a data set, before the replica is prepared. Its thread writes to the disk, since nothing
// else waits for it; a slow disk slows the sender down.
internal sealed class DeliveryLink : ILinkHandler, IDisposable
{
    private readonly ulong _job;
    private readonly DeliveryWriter _writer;
    private readonly StateAssembly? _assembly;
    private readonly TensorLinks _links;
    private readonly TensorLink _link;
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[]? _initial;

    /// <param name="pipe">The connection; this object owns it.</param>
    /// <param name="writer">Receives the data; the caller disposes it, after this object.</param>
    /// <param name="initialBytes">Bytes of the file with the initial parameters; 0 if there is none.</param>
    public DeliveryLink(ulong job, IFramePipe pipe, DeliveryWriter writer, long initialBytes, LinkMetrics? metrics)
    {
        (_job, _writer, _assembly) = (job, writer, initialBytes > 0 ? new(initialBytes) : null);
        _links = new(this, metrics);
        lock (_links.Gate) _links.Open(_link = _links.Add("the coordinator"), pipe);
    }

    public async Task<DeliveredLink> CompleteAsync(CancellationToken cancellation)
    {
        await _complete.Task.WaitAsync(cancellation).ConfigureAwait(false);
        lock (_links.Gate)
        {
            var pipe = _links.Detach(_link) ?? throw new LinkException("the coordinator closed the connection") { IsDisconnect = true };
            return new(pipe, _initial);
        }
    }

    public void Dispose() => _links.Dispose();

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        // Frames after the data are for the next owner of the link.
        if (_writer.IsComplete) return false;
        if (header.Job != _job) throw new LinkException("the coordinator sent a frame of another job");
        switch (header.Kind)
        {
            case FrameKind.Data when header.Round == _writer.Received && payload.Length > 0:
                Write(payload);
                break;
            case FrameKind.Data:
                throw new LinkException($"the coordinator sent {payload.Length} bytes of data from byte {header.Round}; "
                    + $"byte {_writer.Received} was expected");
            case FrameKind.Initial when _assembly is not null && _initial is null:
                _initial = _assembly.Add(header, payload);
                break;
            default:
                throw new LinkException($"the coordinator sent a frame of kind {header.Kind} where data was expected");
        }
        return true;
    }

    void ILinkHandler.Closed(TensorLink link, string reason) =>
        _complete.TrySetException(new LinkException(reason) { IsDisconnect = true });

    private void Write(ReadOnlySpan<byte> piece)
    {
        try
        {
            _writer.Append(piece);
            if (_writer.IsComplete) _complete.TrySetResult();
        }
        catch (DataException error)
        {
            _complete.TrySetException(error);
            throw new LinkException(error.Message, error);
        }
        // Not the sender's fault, so not a violation of the protocol.
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _complete.TrySetException(_writer.Unwritable(error));
            _links.Close(_link, error.Message);
        }
    }
}
