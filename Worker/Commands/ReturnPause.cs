namespace Distributed.Worker.Commands;

/// <summary>
/// How long a worker that was turned away waits before it comes back. The first time it does not. One that is turned away again and
/// again, since another cannot reach it, holds everybody up each time: it waits longer and longer.
/// </summary>
internal sealed class ReturnPause
{
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>Who has stayed for so long has come back for good.</summary>
    public static readonly TimeSpan Stay = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan _first = TimeSpan.FromSeconds(1);

    private TimeSpan _next;

    /// <summary>The wait before the next return.</summary>
    /// <param name="stayed">How long it was there this time.</param>
    public TimeSpan After(TimeSpan stayed)
    {
        var pause = stayed >= Stay ? TimeSpan.Zero : _next;
        _next = pause == TimeSpan.Zero ? _first : 2 * pause < Longest ? 2 * pause : Longest;
        return pause;
    }
}
