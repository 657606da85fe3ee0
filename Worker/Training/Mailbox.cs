using System.Collections.Concurrent;

namespace Distributed.Worker.Training;

/// <summary>What a thread is to do next, from any other thread. Looking into it allocates nothing.</summary>
internal sealed class Mailbox : IDisposable
{
    private readonly ConcurrentQueue<Action> _mail = new();
    private readonly ManualResetEventSlim _signal = new();

    public bool IsEmpty => _mail.IsEmpty;

    public void Post(Action action)
    {
        _mail.Enqueue(action);
        _signal.Set();
    }

    /// <summary>Wakes the owner without giving it anything.</summary>
    public void Signal() => _signal.Set();

    public bool TryTake(out Action action) => _mail.TryDequeue(out action!);

    /// <summary>Sleeps until there is mail or a signal.</summary>
    /// <returns>False: the time is over.</returns>
    public bool Wait(TimeSpan timeout)
    {
        if (!_signal.Wait(timeout)) return false;
        // What comes between this and the next look into the mailbox sets it again.
        _signal.Reset();
        return true;
    }

    public void Dispose() => _signal.Dispose();
}
