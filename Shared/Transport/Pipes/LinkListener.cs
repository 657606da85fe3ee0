using System.Net;
using System.Net.Sockets;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging;

namespace Distributed.Transport.Pipes;

/// <summary>Accepts the connections of a job until it is disposed; each that greets as it should becomes a pipe.</summary>
internal sealed class LinkListener : IDisposable
{
    /// <summary>Connections that may be open without having said who they are; see <see cref="ConnectionPlaces"/> for what becomes of more.</summary>
    public const int MaxStrangers = 64;

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
    private readonly ConnectionPlaces _places = new(MaxStrangers);

    /// <summary>Listens at once.</summary>
    /// <param name="bind">Address and port; port 0 for a free one.</param>
    /// <param name="token">What a greeting must hold: <see cref="LinkHello.TokenLength"/> bytes.</param>
    /// <param name="admits">Whether a link of this name is expected; from any thread, of several connections at once.</param>
    /// <param name="established">Takes over a name and its pipe; from any thread, and possibly twice for a name that connects twice at once.</param>
    /// <exception cref="SocketException">The address is taken, or is none of this machine.</exception>
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

    /// <summary>Accepts nothing more; pipes that are established live on.</summary>
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
            // Whatever it was, the next connection may be one of the job's.
            catch (Exception error)
            {
                Tell(() => _log.LogWarning("A connection could not be accepted: {Reason}", error.Message));
                // Out of descriptors, say: trying again at once would be trying all the time.
                await Task.Delay(_pauseAfterError, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task GreetAsync(Socket socket)
    {
        var peer = LinkHandshake.NameOf(socket);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        ConnectionPlaces.Place? place = null;
        try
        {
            place = _places.Enter(LinkHandshake.OriginOf(socket), () => Cancel(patience));
            var (name, pipe) = await LinkHandshake.AcceptAsync(socket, _job, _token, _admits, _options, patience.Token).ConfigureAwait(false);
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
            Refuse(peer, $"another took its place, as {MaxStrangers} connections had not said who they are", Refusal.Crowded);
        }
        catch (Exception error)
        {
            socket.Dispose();
            Tell(() => _log.LogError(error, "The connection from {Peer} could not become a link", peer));
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

    private static void Cancel(CancellationTokenSource patience)
    {
        try
        {
            _ = patience.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It has become a link, or is refused, in this very moment.
        }
    }

    /// <summary>A log that fails is no reason to stop accepting connections.</summary>
    private static void Tell(Action write)
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
