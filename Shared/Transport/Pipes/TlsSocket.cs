using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

// TLS over a connection whose ends authenticate each other by certificates. No call waits: SslStream reads from a TlsWire, where a read
// stays pending until bytes arrive, and writes into its memory.
internal sealed class TlsSocket : IByteStream
{
    // Bytes encrypted at a time: several records, to save system calls.
    private const int ChunkBytes = 64 * 1024;

    private const int RecordBytes = 16 * 1024;

    private readonly StreamSocket _socket;
    private readonly TlsWire _wire;
    private readonly SslStream _tls;
    private readonly byte[] _chunk = new byte[ChunkBytes];
    private readonly byte[] _received = new byte[RecordBytes];
    private ValueTaskAwaiter<int> _reading;
    private bool _isReading;
    private int _start;
    private int _end;
    private bool _isLastHeld;
    private bool _isDisposed;

    private TlsSocket(StreamSocket socket)
    {
        (_socket, _wire) = (socket, new(socket));
        _tls = new(_wire, leaveInnerStreamOpen: true);
    }

    /// <summary>Encrypts a connection. The caller closes the socket if that fails.</summary>
    /// <param name="host">The host to which this end has connected; null if it has accepted the connection.</param>
    public static async Task<TlsSocket> AuthenticateAsync(
        StreamSocket socket, string? host, NodeCertificates certificates, CancellationToken timeout)
    {
        Refusal? refusal = null;
        var tls = new TlsSocket(socket);
        try
        {
            var handshake = host is null
                ? tls._tls.AuthenticateAsServerAsync(certificates.ServerOptions(reason => refusal = reason), CancellationToken.None)
                : tls._tls.AuthenticateAsClientAsync(certificates.ClientOptions(host, reason => refusal = reason), CancellationToken.None);
            var pause = new HandshakePause();
            while (!handshake.IsCompleted)
            {
                tls._wire.TryFlush();
                tls._wire.ResumeRead();
                if (!handshake.IsCompleted) await pause.WaitAsync(timeout).ConfigureAwait(false);
            }
            await handshake.ConfigureAwait(false);
            while (!tls._wire.TryFlush()) await pause.WaitAsync(timeout).ConfigureAwait(false);
            return tls;
        }
        catch (Exception error) when (IsTlsError(error))
        {
            tls.TrySendAlert();
            tls.StopEncrypting();
            throw LinkExceptionIn(error) ?? (refusal is { } reason ? Refused(reason, host) : NoTls(error));
        }
        catch
        {
            tls.StopEncrypting();
            throw;
        }
    }

    public string Peer => _socket.Peer;
    public int Descriptor => _socket.Descriptor;

    public bool HasReceived()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_start < _end) return true;
        if (_isReading) _wire.ResumeRead();
        else
        {
#pragma warning disable CA2012 // Read consumes it once, when it is complete.
            _reading = _tls.ReadAsync(_received).GetAwaiter();
#pragma warning restore CA2012
            _isReading = true;
        }
        return _reading.IsCompleted;
    }

    public int Receive(Span<byte> buffer)
    {
        if (!HasReceived()) return -1;
        if (_start == _end)
        {
            _isReading = false;
            (_start, _end) = (0, Read());
        }
        var count = Math.Min(buffer.Length, _end - _start);
        _received.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    public int Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (!_wire.TryFlush()) return 0;
        if (_isLastHeld)
        {
            _isLastHeld = false;
            return 1;
        }
        var head = Math.Min(first.Length, ChunkBytes);
        var count = head + Math.Min(second.Length, ChunkBytes - head);
        first[..head].CopyTo(_chunk);
        second[..(count - head)].CopyTo(_chunk.AsSpan(head));
        if (count == 0) return 0;
        Encrypt(count);
        if (_wire.TryFlush()) return count;
        // The last byte is reported as sent only after the rest, so that the caller sends again.
        _isLastHeld = true;
        return count - 1;
    }

    public bool IsWritable() => _socket.IsWritable();

    /// <summary>Ends TLS; the connection goes on unencrypted.</summary>
    public void StopEncrypting()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _wire.End();
        _tls.Dispose();
    }

    public void Dispose()
    {
        StopEncrypting();
        _socket.Dispose();
    }

    private int Read()
    {
        try
        {
            return _reading.GetResult();
        }
        catch (Exception error) when (IsTlsError(error))
        {
            throw Broken(error);
        }
    }

    private void Encrypt(int count)
    {
        try
        {
            _tls.Write(_chunk, 0, count);
        }
        catch (Exception error) when (IsTlsError(error))
        {
            throw Broken(error);
        }
    }

    // The alert tells the other end the reason, if it still reads.
    private void TrySendAlert()
    {
        try
        {
            _wire.TryFlush();
        }
        catch (LinkException)
        {
        }
    }

    private LinkException Broken(Exception error) =>
        LinkExceptionIn(error) ?? new($"the connection to {Peer} broke: {Reason(error)}", error) { IsDisconnect = true };

    private static bool IsTlsError(Exception error) => error is IOException or AuthenticationException or InvalidOperationException;
    private static LinkException? LinkExceptionIn(Exception error) => error as LinkException ?? error.InnerException as LinkException;

    private static LinkException Refused(Refusal refusal, string? host) => new(refusal switch
    {
        Refusal.Anonymous => "it shows no certificate",
        Refusal.Expired => "its certificate is not valid now",
        Refusal.Name => $"its certificate does not have the name {host}",
        _ => $"its certificate is not signed by an authority of this end's {NodeCertificates.AuthorityFile}, or not for this use",
    })
    { Refusal = refusal };

    private static LinkException NoTls(Exception error)
    {
        var reason = Reason(error);
        // SslStream throws an IOException if the connection ends early.
        if (error is IOException)
            return new($"the connection ended before both ends had shown their certificates: {reason}", error) { IsDisconnect = true };
        return reason.Contains("alert", StringComparison.OrdinalIgnoreCase)
            ? new($"it rejects this end's certificate: {reason}", error) { Refusal = Refusal.Untrusted }
            : new($"the connection does not begin with TLS: {reason}", error) { Refusal = Refusal.Garbage };
    }

    private static string Reason(Exception error) => error.InnerException is { } cause ? Reason(cause) : error.Message;
}
