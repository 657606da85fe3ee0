using System.Diagnostics;
using Akka.Actor;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;

namespace Distributed.Worker.Cluster;

/// <summary>
/// A worker's <see cref="Conversation"/> with the coordinator that has taken it in: sends what is due. Used by the thread of the worker's
/// actor, which passes on each <see cref="Look"/>.
/// </summary>
internal sealed class CoordinatorLine(IActorRef coordinator, IActorRef worker, ITimerScheduler timers, long id, ControlMetrics metrics)
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(100);

    private readonly Conversation _conversation = new(id, ConversationLimits.Worker);
    private bool _isLooking;
    private long _lookedAt;
    private long _repeated;

    /// <summary>Time for <see cref="Pass"/>.</summary>
    internal sealed record Look : INoSerializationVerificationNeeded;

    /// <summary>Says something, as often as it takes.</summary>
    public void Say(IWorkerMessage message)
    {
        _conversation.Say(message);
        Send();
    }

    /// <returns>What the coordinator says; null where it is not its turn.</returns>
    public IControlMessage? Hear(Numbered message)
    {
        var content = _conversation.Hear(message);
        Send();
        return content;
    }

    public void Hear(Heard answer)
    {
        _conversation.Hear(answer);
        Send();
    }

    /// <returns>Why the coordinator is given up, in a user's words; null where it is not.</returns>
    public string? Pass()
    {
        var elapsed = Stopwatch.GetElapsedTime(_lookedAt);
        _lookedAt = Stopwatch.GetTimestamp();
        // Of a pause of this process itself nothing follows.
        _conversation.Pass(elapsed < 2 * _interval ? elapsed : 2 * _interval);
        metrics.Repeated(_conversation.Repeated - _repeated);
        _repeated = _conversation.Repeated;
        Send();
        return _conversation.IsGivenUp ? $"the coordinator does not answer: {_conversation.Unanswered}" : null;
    }

    private void Send()
    {
        foreach (var message in _conversation.Due()) coordinator.Tell(message, worker);
        if (_conversation.IsQuiet == !_isLooking) return;
        _isLooking = !_isLooking;
        _lookedAt = Stopwatch.GetTimestamp();
        if (_isLooking) timers.StartPeriodicTimer(nameof(CoordinatorLine), new Look(), _interval);
        else timers.Cancel(nameof(CoordinatorLine));
    }
}
