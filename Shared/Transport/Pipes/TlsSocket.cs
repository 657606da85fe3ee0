using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using Distributed.Transport.Security;

namespace Distributed.Transport.Pipes;

/// <summary>
/// TLS over a connection, both ends of which have shown a certificate. As without it, no call waits: <see cref="SslStream"/>
/// reads from a <see cref="TlsWire"/>, where a read stays open until bytes have come, and writes into its memory.
/// </summary>
internal sealed class TlsSocket : IByteStream
{
    /// <summary>Bytes that are encrypted at a time. A record has 16 KiB at most, and a call of the system for each would be too many.</summary>
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

    /// <summary>Makes an accepted connection an encrypted one. The caller closes the socket if that fails.</summary>
    /// <exception cref="LinkException">The other end does not do the same, or shows nothing that is believed.</exception>
    public static async Task<TlsSocket> AcceptAsync(StreamSocket socket, NodeCertificates certificates, CancellationToken patience)
    {
        Refusal? refusal = null;
        var tls = new TlsSocket(socket);
        await tls.AuthenticateAsync(stream => stream.AuthenticateAsServerAsync(certificates.ServerOptions(reason => refusal = reason), CancellationToken.None),
            error => refusal is { } reason ? Unbelieved(reason) : NoTls(error), patience).ConfigureAwait(false);
        return tls;
    }

    /// <summary>Makes a connection to a host an encrypted one. The caller closes the socket if that fails.</summary>
    /// <exception cref="LinkException">The other end does not do the same, or shows nothing that is believed.</exception>
    public static async Task<TlsSocket> ConnectAsync(StreamSocket socket, string host, NodeCertificates certificates, CancellationToken patience)
    {
        Refusal? refusal = null;
        var tls = new TlsSocket(socket);
        await tls.AuthenticateAsync(stream => stream.AuthenticateAsClientAsync(certificates.ClientOptions(host, reason => refusal = reason), CancellationToken.None),
            error => refusal is { } reason ? Unbelieved(reason, host) : NoTls(error), patience).ConfigureAwait(false);
        return tls;
    }

    public string Peer => _socket.Peer;

    public int Descriptor => _socket.Descriptor;

    public bool HasReceived()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_start < _end) return true;
        if (_isReading) _wire.GoOn();
        else
        {
#pragma warning disable CA2012 // It is consumed once: by Read, when it is complete.
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
        if (!_wire.TryEmpty()) return 0;
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
        if (_wire.TryEmpty()) return count;
        // Until all of it has left, the caller has its last byte still to send, and comes back.
        _isLastHeld = true;
        return count - 1;
    }

    public bool IsWritable() => _socket.IsWritable();

    /// <summary>What goes over the connection from now on is not encrypted.</summary>
    public void Leave()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _wire.End();
        _tls.Dispose();
    }

    public void Dispose()
    {
        Leave();
        _socket.Dispose();
    }

    private int Read()
    {
        try
        {
            return _reading.GetResult();
        }
        catch (Exception error) when (error is IOException or AuthenticationException or InvalidOperationException)
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
        catch (Exception error) when (error is IOException or AuthenticationException or InvalidOperationException)
        {
            throw Broken(error);
        }
    }

    private async Task AuthenticateAsync(Func<SslStream, Task> authenticate, Func<Exception, LinkException> failed, CancellationToken patience)
    {
        try
        {
            var handshake = authenticate(_tls);
            var pause = new HandshakePause();
            while (!handshake.IsCompleted)
            {
                _wire.TryEmpty();
                _wire.GoOn();
                if (!handshake.IsCompleted) await pause.WaitAsync(patience).ConfigureAwait(false);
            }
            await handshake.ConfigureAwait(false);
            while (!_wire.TryEmpty()) await pause.WaitAsync(patience).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or AuthenticationException or InvalidOperationException)
        {
            TellWhy();
            Leave();
            throw LinkExceptionIn(error) ?? failed(error);
        }
        catch
        {
            Leave();
            throw;
        }
    }

    /// <summary>The other end hears why, if it still listens.</summary>
    private void TellWhy()
    {
        try
        {
            _wire.TryEmpty();
        }
        catch (LinkException)
        {
            // It does not.
        }
    }

    private LinkException Broken(Exception error) =>
        LinkExceptionIn(error) ?? new($"the connection to {Peer} broke: {Words(error)}", error) { IsDisconnect = true };

    private static LinkException? LinkExceptionIn(Exception error) => error as LinkException ?? error.InnerException as LinkException;

    private static LinkException Unbelieved(Refusal refusal, string host = "") => new(refusal switch
    {
        Refusal.Anonymous => "it shows no certificate",
        Refusal.Expired => "its certificate is not valid now",
        Refusal.Name => $"its certificate does not have the name {host}",
        _ => $"its certificate is not signed by an authority of this end's {NodeCertificates.AuthorityFile}, or not for this use",
    })
    { Refusal = refusal };

    private static LinkException NoTls(Exception error)
    {
        // SslStream says so where the connection ends early.
        if (error is IOException) return new($"the connection ended before both ends had shown their certificates: {Words(error)}", error) { IsDisconnect = true };
        return Words(error).Contains("alert", StringComparison.OrdinalIgnoreCase)
            ? new($"it does not take this end's certificate: {Words(error)}", error) { Refusal = Refusal.Untrusted }
            : new($"the connection does not begin with TLS: {Words(error)}", error) { Refusal = Refusal.Garbage };
    }

    private static string Words(Exception error) => error.InnerException is { } cause ? Words(cause) : error.Message;
}
