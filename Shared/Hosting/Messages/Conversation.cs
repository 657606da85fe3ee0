namespace Distributed.Hosting.Messages;

/// <summary>When something that was said is said again, and when its answer is given up.</summary>
/// <param name="Repeat">Silence after which everything unheard is sent again, the first time; each further time comes after twice as long.</param>
/// <param name="LongestRepeat">The longest time between two repetitions.</param>
/// <param name="GiveUp">Time after which <see cref="Conversation.IsGivenUp"/> holds, if the other end has heard nothing new meanwhile.</param>
/// <param name="Window">Messages that are on their way at a time, at least 1.</param>
internal sealed record ConversationLimits(TimeSpan Repeat, TimeSpan LongestRepeat, TimeSpan GiveUp, int Window)
{
    private static readonly ConversationLimits _usual = new(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), Window: 32);

    /// <summary>Of the coordinator: it gives up a worker that hears nothing for as long, and trains on without it.</summary>
    public static ConversationLimits Coordinator => _usual;

    /// <summary>
    /// Of a worker: a coordinator that stands still is waited for. After this the worker looks for the coordinator as another node, and
    /// keeps what it holds.
    /// </summary>
    public static ConversationLimits Worker { get; } = _usual with { GiveUp = TimeSpan.FromMinutes(5) };
}

/// <summary>
/// One end of a conversation between the coordinator and a worker, over a network that loses, repeats and reorders messages. What is
/// said is numbered and sent again until the other end has heard it; what the other end says is handed on in order, each message once.
/// So whoever uses it may rely on what a connection promises that never breaks, and needs no repetition of its own. Time is what the
/// caller says it is.
/// </summary>
/// <param name="id">Tells this conversation from those of other coordinators and other lives of the worker.</param>
/// <param name="limits">When it repeats and gives up.</param>
internal sealed class Conversation(long id, ConversationLimits limits)
{
    private readonly Queue<IControlMessage> _unheard = new();
    private long _said;
    private long _sent;
    private long _everSent;
    private long _heard;
    private bool _owesAnswer;
    private bool _isSilent;
    private TimeSpan _silence;
    private TimeSpan _waited;
    private TimeSpan _pause = limits.Repeat;

    public long Id => id;

    /// <summary>Whether nothing is left to be sent or repeated.</summary>
    public bool IsQuiet => _unheard.Count == 0 && !_owesAnswer;

    /// <summary>Whether the other end has heard nothing for so long that it is not to be waited for.</summary>
    public bool IsGivenUp => _waited >= limits.GiveUp;

    /// <summary>The oldest message that the other end has not heard, in a user's words; for <see cref="IsGivenUp"/>.</summary>
    public string Unanswered => _unheard.TryPeek(out var oldest) ? $"{oldest.GetType().Name} was not heard for {limits.GiveUp.TotalSeconds:0} s" : "";

    /// <summary>Messages that were sent again.</summary>
    public long Repeated { get; private set; }

    /// <summary>Says something: it is sent by <see cref="Due"/>.</summary>
    public void Say(IControlMessage message)
    {
        _unheard.Enqueue(MessageBounds.Shortened(message));
        _said++;
    }

    /// <returns>What the other end says, if its turn is now; null where it was heard before, or one before it is missing.</returns>
    public IControlMessage? Hear(Numbered message)
    {
        if (message.Conversation != id) return null;
        Acknowledge(message.Heard);
        // Also of what it has heard already: the answer may be what was lost.
        _owesAnswer = true;
        if (message.Number != _heard + 1) return null;
        _heard++;
        return message.Content;
    }

    /// <summary>The other end tells what it has heard.</summary>
    public void Hear(Heard answer)
    {
        if (answer.Conversation == id) Acknowledge(answer.UpTo);
    }

    /// <summary>Time has passed, in which this process was awake.</summary>
    public void Pass(TimeSpan elapsed)
    {
        if (_unheard.Count == 0) return;
        _waited += elapsed;
        _silence += elapsed;
        if (_silence < _pause) return;
        _silence = TimeSpan.Zero;
        // To one who does not answer at all, what comes first is enough to find out when it does.
        _isSilent = _pause > limits.Repeat;
        _pause = 2 * _pause < limits.LongestRepeat ? 2 * _pause : limits.LongestRepeat;
        _sent = Before;
    }

    /// <summary>What is to be sent now: all that is new, and all that is due again; or at least the answer that the other end waits for.</summary>
    public IReadOnlyList<IControlMessage> Due()
    {
        var window = Math.Min(_unheard.Count, _isSilent ? 1 : limits.Window);
        if (_sent < Before + window)
        {
            var due = new List<IControlMessage>();
            var number = Before;
            foreach (var message in _unheard.Take(window))
                if (++number > _sent) due.Add(Numbered.Of(id, number, _heard, message));
            Repeated += Math.Max(0, Math.Min(_everSent, number) - _sent);
            (_sent, _everSent, _owesAnswer) = (number, Math.Max(_everSent, number), false);
            return due;
        }
        if (!_owesAnswer) return [];
        _owesAnswer = false;
        return [new Heard(id, _heard)];
    }

    /// <summary>Number of the last message that the other end has heard.</summary>
    private long Before => _said - _unheard.Count;

    private void Acknowledge(long heard)
    {
        if (heard <= Before || heard > _said) return;
        while (Before < heard) _unheard.Dequeue();
        _sent = Math.Max(_sent, Before);
        (_isSilent, _silence, _waited, _pause) = (false, TimeSpan.Zero, TimeSpan.Zero, limits.Repeat);
    }
}
