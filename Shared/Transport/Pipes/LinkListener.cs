using System.Net;
using System.Net.Sockets;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging;

namespace Distributed.Transport.Pipes;

/// <summary>Accepts the connections of a job until it is disposed; each with a valid greeting becomes a pipe.</summary>
internal sealed class LinkListener : IDisposable
{
    /// <summary>Largest number of open connections that have not identified themselves; see <see cref="ConnectionPlaces"/>.</summary>
    public const int MaxUnidentified = 64;

    private static readonly TimeSpan _pauseAfterError = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _closing = new();
    private readonly Socket _socket;
    private readonly ulong _job;
    private readonly byte[] _token;
    private readonly Func<string, bool> _admits;
    private readonly Action<string, IFramePipe> _established;
    private readonly ILinkMetrics _metrics;
    private readonly ILogger _log;
    private readonly LinkOptions _options;
    private readonly RefusalLog _refusals;
    private readonly ConnectionPlaces _places = new(MaxUnidentified);

    /// <param name="admits">Whether a link of this name is expected. Called from any thread, for several connections at once.</param>
    /// <param name="established">Receives a name and its pipe. Called from any thread, possibly twice for a name that connects
    /// twice.</param>
    public LinkListener(
        IPEndPoint bind, ulong job, byte[] token, Func<string, bool> admits, Action<string, IFramePipe> established,
        ILinkMetrics metrics, ILogger log, LinkOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(token.Length, LinkHello.TokenLength);
        (_job, _token, _admits, _established, _metrics, _log, _options) = (job, token, admits, established, metrics, log, options);
        _refusals = new(log, options.Time);
        _socket = new(bind.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            _socket.Bind(bind);
            _socket.Listen();
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
        Port = ((IPEndPoint)_socket.LocalEndPoint!).Port;
        _ = AcceptAsync();
    }

    public int Port { get; }

    public void Dispose()
    {
        _closing.Cancel();
        _socket.Dispose();
        _refusals.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                _ = GreetAsync(await _socket.AcceptAsync(_closing.Token).ConfigureAwait(false));
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                return;
            }
            // The next connection may be one of the job's.
            catch (Exception error)
            {
                Log(() => _log.LogWarning("A connection could not be accepted: {Reason}", error.Message));
                // If descriptors have run out, say, retrying without a pause would be a busy loop.
                await Task.Delay(_pauseAfterError, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task GreetAsync(Socket socket)
    {
        var remote = LinkHandshake.RemoteOf(socket);
        var peer = remote?.ToString() ?? "unknown";
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        ConnectionPlaces.Place? place = null;
        try
        {
            place = _places.Enter(ConnectionPlaces.OriginOf(remote), () => Cancel(cancellation));
            var (name, pipe) = await LinkHandshake.AcceptAsync(socket, _job, _token, _admits, _options, cancellation.Token)
                .ConfigureAwait(false);
            if (_closing.IsCancellationRequested) pipe.Dispose();
            else _established(name, pipe);
        }
        catch (LinkException error)
        {
            Refuse(peer, error.Message, error.Refusal ?? (error.IsDisconnect ? Refusal.Closed : Refusal.Garbage));
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
        }
        catch (OperationCanceledException)
        {
            Refuse(peer, $"evicted by a new connection, as {MaxUnidentified} connections had not identified themselves", Refusal.Crowded);
        }
        catch (Exception error)
        {
            socket.Dispose();
            Log(() => _log.LogError(error, "The connection from {Peer} could not become a link", peer));
        }
        finally
        {
            place?.Dispose();
        }
    }

    private void Refuse(string peer, string reason, Refusal refusal)
    {
        _metrics.ConnectionRefused(refusal);
        _refusals.Refused(refusal, peer, reason);
    }

    private static void Cancel(CancellationTokenSource cancellation)
    {
        try
        {
            _ = cancellation.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It has just become a link or been refused.
        }
    }

    // Connections are accepted even if the log fails.
    private static void Log(Action write)
    {
        try
        {
            write();
        }
        catch (Exception)
        {
        }
    }
}
