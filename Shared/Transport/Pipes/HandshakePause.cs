namespace Distributed.Transport.Pipes;

/// <summary>
/// The time between two looks at a socket whose peer has to say something. It doubles, so that strangers who say nothing cost no processor time.
/// </summary>
internal sealed class HandshakePause
{
    private static readonly TimeSpan _least = TimeSpan.FromMilliseconds(1), _most = TimeSpan.FromMilliseconds(32);

    private TimeSpan _next = _least;

    /// <summary>Waits, each time longer.</summary>
    public Task WaitAsync(CancellationToken cancellation)
    {
        var pause = _next;
        _next = pause * 2 < _most ? pause * 2 : _most;
        return Task.Delay(pause, cancellation);
    }
}
