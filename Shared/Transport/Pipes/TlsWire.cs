using System.Threading.Tasks.Sources;

namespace Distributed.Transport.Pipes;

// The encrypted side of a TlsSocket. A read returns received bytes, or stays pending until ResumeRead finds
// some. Written bytes wait in memory until TryFlush. At most one read is pending, as SslStream does it.
internal sealed class TlsWire(StreamSocket socket) : Stream, IValueTaskSource<int>
{
    // Room for one encrypted chunk and answers to the other end, which must not pile up if it does not read.
    private const int MaxWaiting = 256 * 1024;

    private byte[] _waiting = new byte[72 * 1024];
    private int _start;
    private int _end;
    private ManualResetValueTaskSourceCore<int> _read;
    private Memory<byte> _wanted;
    private bool _isPending;

    public override bool CanRead => true;
    public override bool CanWrite => true;
    public override bool CanSeek => false;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Completes the pending read if bytes have arrived.</summary>
    public void ResumeRead()
    {
        if (!_isPending) return;
        int count;
        try
        {
            count = socket.Receive(_wanted.Span);
        }
        catch (LinkException error)
        {
            _isPending = false;
            _read.SetException(error);
            return;
        }
        if (count >= 0) CompleteRead(count);
    }

    /// <summary>Sends waiting bytes; false if there is no room for all of them.</summary>
    public bool TryFlush()
    {
        while (_start < _end)
        {
            var count = socket.Send(_waiting.AsSpan(_start, _end - _start), default);
            if (count == 0) return false;
            _start += count;
        }
        _start = _end = 0;
        return true;
    }

    public void End()
    {
        if (_isPending) CompleteRead(0);
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // SslStream tests in this way whether there are bytes, and reads again.
        if (buffer.IsEmpty) return new(0);
        int count;
        try
        {
            count = socket.Receive(buffer.Span);
        }
        catch (LinkException error)
        {
            return ValueTask.FromException<int>(error);
        }
        if (count >= 0) return new(count);
        (_wanted, _isPending) = (buffer, true);
        _read.Reset();
        return new(this, _read.Version);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_end - _start + buffer.Length > MaxWaiting) throw new LinkException($"{socket.Peer} does not read, but makes this end send");
        if (_end + buffer.Length > _waiting.Length)
        {
            var target = _end - _start + buffer.Length > _waiting.Length ? new byte[MaxWaiting] : _waiting;
            _waiting.AsSpan(_start, _end - _start).CopyTo(target);
            (_waiting, _start, _end) = (target, 0, _end - _start);
        }
        buffer.CopyTo(_waiting.AsSpan(_end));
        _end += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return default;
    }

    public override void Flush() { }
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    int IValueTaskSource<int>.GetResult(short token) => _read.GetResult(token);
    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);
    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    // The continuation may begin the next read.
    private void CompleteRead(int count)
    {
        _isPending = false;
        _read.SetResult(count);
    }
}
