using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Event;
using Distributed.Shared.Metrics;
using Distributed.Shared.Security;

namespace Distributed.Shared.Cluster;

/// <summary>
/// Counts the connections that the control plane refuses. Akka.Remote says so nowhere but in its log, which is therefore read;
/// tests tell where another version says it in other words.
/// </summary>
internal sealed class RefusedAssociations(ControlMetrics? metrics)
{
    // Formats of Akka.Remote's, of which the peer is the first value, or the second of a channel.
    private const string Anonymous = "Mutual TLS required but client did not provide a certificate from {0}";
    private const string Failed = "Error caught channel [{0}->{1}]";
    private const string NotEncrypted = "TLS handshake failed on channel [{0}->{1}]";
    private const string TimedOut = "No response from remote for inbound association. Handshake timed out";

    /// <summary>Peers of which Akka may not have logged yet that their connections are closed.</summary>
    private const int MaxCounted = 1024;

    /// <summary>Akka closes a connection that has timed out, and logs that it is closed 2 s later, if there was no TLS yet.</summary>
    private const int LateMilliseconds = 5000;

    private readonly ConcurrentDictionary<string, Refusal> _counted = new(StringComparer.Ordinal);
    private readonly Queue<long> _timedOut = new();

    /// <summary>From now on reads the log of a system.</summary>
    public void Watch(ActorSystem system)
    {
        if (metrics is not null) system.ActorOf(Props.Create(() => new Reader(this)), "refused-associations");
    }

    /// <summary>A connection is refused, which counts, and its end does not count again.</summary>
    /// <param name="peer">As Akka names it.</param>
    /// <param name="refusal">Why.</param>
    public void Refuse(string peer, Refusal refusal)
    {
        metrics?.ConnectionRefused(refusal);
        // Strangers can be as many as they like.
        if (_counted.Count >= MaxCounted) _counted.Clear();
        _counted[peer] = refusal;
    }

    private void Read(LogEvent line)
    {
        if (line.LogClass?.Namespace?.StartsWith("Akka.Remote", StringComparison.Ordinal) != true) return;
        if (line.Message is not LogMessage message)
        {
            if ($"{line.Message}".StartsWith(TimedOut, StringComparison.Ordinal)) TimeOut();
            return;
        }
        string[] words = [.. message.Parameters().Select(word => $"{word}")];
        if (message.Format.StartsWith(Anonymous, StringComparison.Ordinal)) Refuse(words[0], Refusal.Anonymous);
        else if (message.Format.StartsWith(Failed, StringComparison.Ordinal)) Refuse(words[1], Refusal.Garbage);
        else if (message.Format.StartsWith(NotEncrypted, StringComparison.Ordinal) && !_counted.TryRemove(words[1], out _) && !IsLate())
            metrics!.ConnectionRefused(Refusal.Closed);
    }

    private void TimeOut()
    {
        metrics!.ConnectionRefused(Refusal.Slow);
        while (_timedOut.Count >= MaxCounted) _timedOut.Dequeue();
        _timedOut.Enqueue(Environment.TickCount64);
    }

    private bool IsLate()
    {
        while (_timedOut.TryPeek(out var then) && Environment.TickCount64 - then > LateMilliseconds) _timedOut.Dequeue();
        return _timedOut.TryDequeue(out _);
    }

    private sealed class Reader : ReceiveActor
    {
        public Reader(RefusedAssociations refused) => Receive<LogEvent>(refused.Read);

        protected override void PreStart()
        {
            foreach (var level in (Type[])[typeof(Warning), typeof(Error)]) Context.System.EventStream.Subscribe(Self, level);
        }

        protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);
    }
}
