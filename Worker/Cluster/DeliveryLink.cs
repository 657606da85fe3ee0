using Distributed.Core;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Cluster;

/// <summary>What is left of a link when all that was to come is there.</summary>
/// <param name="Pipe">The connection, which goes on.</param>
/// <param name="Initial">The file with the parameters to begin with, which leaves before the data; null where none was announced.</param>
internal sealed record DeliveredLink(IFramePipe Pipe, byte[]? Initial) : IDisposable
{
    public void Dispose() => Pipe.Dispose();
}

/// <summary>
/// The link to the coordinator while a data set comes over it, before the replica is prepared. Whatever comes is written to
/// the disk there and then: nobody else waits for this thread, and a slow disk slows the sender down.
/// </summary>
internal sealed class DeliveryLink : ILinkHandler, IDisposable
{
    private readonly ulong _job;
    private readonly DeliveryWriter _writer;
    private readonly StateAssembly? _assembly;
    private readonly TensorLinks _links;
    private readonly TensorLink _link;
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[]? _initial;

    /// <param name="pipe">The link; its own from now on.</param>
    /// <param name="writer">Takes in the data. Stays the caller's to dispose, after this.</param>
    /// <param name="initialBytes">Bytes of the file with the parameters to begin with; 0 where none comes.</param>
    /// <param name="metrics">Counts bytes and refused frames.</param>
    public DeliveryLink(ulong job, IFramePipe pipe, DeliveryWriter writer, long initialBytes, LinkMetrics? metrics)
    {
        (_job, _writer, _assembly) = (job, writer, initialBytes > 0 ? new(initialBytes) : null);
        _links = new(this, metrics);
        lock (_links.Gate) _links.Open(_link = _links.Add("the coordinator"), pipe);
    }

    /// <summary>Waits until all of it is there.</summary>
    /// <exception cref="LinkException">The link broke.</exception>
    /// <exception cref="DataException">What came is not what was announced, or cannot be written.</exception>
    public async Task<DeliveredLink> CompleteAsync(CancellationToken cancellation)
    {
        await _complete.Task.WaitAsync(cancellation).ConfigureAwait(false);
        lock (_links.Gate)
            return new(_links.Detach(_link) ?? throw new LinkException("the coordinator closed the connection") { IsDisconnect = true }, _initial);
    }

    public void Dispose() => _links.Dispose();

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        // What comes behind the data is for whoever has the link next.
        if (_writer.IsComplete) return false;
        if (header.Job != _job) throw new LinkException("the coordinator sent a frame of another job");
        switch (header.Kind)
        {
            case FrameKind.Data when header.Round == _writer.Received && payload.Length > 0:
                Write(payload);
                break;
            case FrameKind.Data:
                throw new LinkException($"the coordinator sent {payload.Length} bytes of data from byte {header.Round}; byte {_writer.Received} was expected");
            case FrameKind.Initial when _assembly is not null && _initial is null:
                _initial = _assembly.Add(header, payload);
                break;
            default:
                throw new LinkException($"the coordinator sent a frame of kind {header.Kind} where data was expected");
        }
        return true;
    }

    void ILinkHandler.Closed(TensorLink link, string reason) => _complete.TrySetException(new LinkException(reason) { IsDisconnect = true });

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
        // No fault of the other end's.
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _complete.TrySetException(_writer.Unwritable(error));
            _links.Close(_link, error.Message);
        }
    }
}
