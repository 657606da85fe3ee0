using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Event;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Transport.Pipes;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// The workers that are connected, by name and by actor, and the conversation with each: also with those that are gone and have yet to
/// hear why. Used by one thread at a time.
/// </summary>
internal sealed partial class ConnectedWorkers(ControlMetrics metrics)
{
    private readonly Dictionary<string, Connected> _workers = new(StringComparer.Ordinal);
    private readonly Dictionary<IActorRef, string> _names = [];
    private readonly Dictionary<IActorRef, Connected> _parting = [];

    private sealed record Connected(IActorRef Ref, string Device, Conversation Conversation)
    {
        public Welcome? Welcome { get; set; }

        public bool IsDismissed { get; set; }
    }

    public IReadOnlyCollection<string> Names => _workers.Keys;

    /// <summary>The name of a worker; null for anybody else.</summary>
    public string? NameOf(IActorRef sender) => _names.GetValueOrDefault(sender);

    /// <summary>The name of the worker at an address, if any.</summary>
    public string? NameAt(Address address) => _names.FirstOrDefault(worker => worker.Key.Path.Address == address).Value;

    public string? DeviceOf(string worker) => _workers.GetValueOrDefault(worker)?.Device;

    /// <summary>Whether one was told that it may go.</summary>
    public bool IsDismissed(string worker) => _workers.TryGetValue(worker, out var there) && there.IsDismissed;

    /// <summary>Whether one was turned away and has yet to hear of it: what it asked for before that is void.</summary>
    public bool IsParting(IActorRef sender) => _parting.ContainsKey(sender);

    /// <summary>Whether all that are there have heard all that was said to them.</summary>
    public bool AllHeard => _workers.Values.All(there => there.Conversation.IsQuiet);

    /// <summary>Turns away one that is not taken in.</summary>
    public static void Refuse(IActorRef stranger, string reason, ILoggingAdapter log)
    {
        log.Warning("{0} refused: {1}", stranger.Path, reason);
        stranger.Tell(MessageBounds.Shortened(new Refused(reason, MayReturn: false)));
    }

    /// <summary>Why a newcomer cannot be taken in, in a user's words; null if it can.</summary>
    public string? FaultOf(Register register) =>
        register.Version != MessageCodec.Version ? MessageCodec.Difference(register.Version)
        : !AllowedName().IsMatch(register.Name) ? "its name is not allowed; allowed: 1 to 63 letters, digits, dots, dashes and underscores"
        : _workers.Count >= MessageBounds.MaxWorkers ? $"there are {_workers.Count} workers already; allowed are {MessageBounds.MaxWorkers}"
        : null;

    /// <summary>What is wrong with a worker's report that it is prepared, in a user's words; null for nothing.</summary>
    public string? FaultOf(string worker, Prepared prepared) =>
        prepared.Holding == default || _workers[worker].Welcome is { IsAdopted: true } ? null
        : "it reports that it holds rounds of the job, with which it was not taken in";

    /// <summary>Takes one in, under the name that it would like to have or one like it, which is no longer than a name may be.</summary>
    public string Add(IActorRef newcomer, Register register)
    {
        var worker = register.Name;
        for (var i = 2; _workers.ContainsKey(worker); i++)
        {
            var ending = $"-{i}";
            worker = register.Name[..Math.Min(register.Name.Length, LinkHello.MaxNameLength - ending.Length)] + ending;
        }
        _workers[worker] = new(newcomer, Shown.Of(register.Device), new(Random.Shared.NextInt64(), ConversationLimits.Coordinator));
        _names[newcomer] = worker;
        return worker;
    }

    /// <summary>Welcomes one that was added; the conversation with it begins with that.</summary>
    public void Welcome(string worker, Welcome welcome)
    {
        var there = _workers[worker];
        there.Ref.Tell(there.Welcome = welcome with { Conversation = there.Conversation.Id });
    }

    /// <summary>Says the same welcome again, to one that has not heard it.</summary>
    /// <returns>Whether the sender has been taken in.</returns>
    public bool WelcomeAgain(IActorRef sender)
    {
        if (NameOf(sender) is not { } worker) return false;
        sender.Tell(_workers[worker].Welcome);
        return true;
    }

    /// <param name="farewell">What it is still to hear.</param>
    /// <returns>Its actor; null where there was none of that name.</returns>
    public IActorRef? Remove(string worker, ICoordinatorMessage? farewell = null)
    {
        if (!_workers.Remove(worker, out var removed)) return null;
        _names.Remove(removed.Ref);
        if (farewell is not null)
        {
            _parting[removed.Ref] = removed;
            Say(removed, farewell);
        }
        return removed.Ref;
    }

    /// <summary>Tells one of them, if it is there, as often as it takes.</summary>
    public void Tell(string? worker, ICoordinatorMessage message)
    {
        if (worker is null || !_workers.TryGetValue(worker, out var there)) return;
        there.IsDismissed |= message is Dismissed;
        Say(there, message);
    }

    public void TellAll(ICoordinatorMessage message)
    {
        foreach (var there in _workers.Values) Say(there, message);
    }

    /// <returns>What it says; null where it is not its turn, or the worker is gone.</returns>
    public IControlMessage? Hear(IActorRef sender, Numbered message)
    {
        if (NameOf(sender) is { } worker) return _workers[worker].Conversation.Hear(message);
        _parting.GetValueOrDefault(sender)?.Conversation.Hear(message);
        return null;
    }

    public void Hear(IActorRef sender, Heard answer) =>
        (NameOf(sender) is { } worker ? _workers[worker] : _parting.GetValueOrDefault(sender))?.Conversation.Hear(answer);

    /// <summary>Answers them, and repeats what is due.</summary>
    /// <param name="elapsed">Since the last call, in which this process was awake.</param>
    /// <returns>Those that do not answer, and why they are given up, in a user's words.</returns>
    public IReadOnlyList<(string Worker, string Why)> Pass(TimeSpan elapsed)
    {
        List<(string, string)> silent = [];
        foreach (var (worker, there) in _workers)
        {
            Pass(there, elapsed);
            if (there.Conversation.IsGivenUp) silent.Add((worker, $"it does not answer: {there.Conversation.Unanswered}"));
        }
        foreach (var (actor, there) in _parting)
        {
            Pass(there, elapsed);
            if (there.Conversation.IsQuiet || there.Conversation.IsGivenUp) _parting.Remove(actor);
        }
        return silent;
    }

    private void Pass(Connected there, TimeSpan elapsed)
    {
        var before = there.Conversation.Repeated;
        there.Conversation.Pass(elapsed);
        metrics.Repeated(there.Conversation.Repeated - before);
        Send(there);
    }

    private static void Say(Connected there, ICoordinatorMessage message)
    {
        there.Conversation.Say(message);
        Send(there);
    }

    private static void Send(Connected there)
    {
        foreach (var message in there.Conversation.Due()) there.Ref.Tell(message);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex AllowedName();
}
