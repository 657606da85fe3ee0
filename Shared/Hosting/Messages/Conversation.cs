namespace Distributed.Hosting.Messages;

/// <summary>When a message is sent again, and when its acknowledgement is given up.</summary>
/// <param name="Repeat">Silence after which all unacknowledged messages are sent again; each repetition then waits twice as long.</param>
/// <param name="LongestRepeat">The longest time between two repetitions.</param>
/// <param name="GiveUp">Time without a new acknowledgement after which <see cref="Conversation.IsGivenUp"/> is true.</param>
/// <param name="Window">Messages in flight, at least 1.</param>
internal sealed record ConversationLimits(TimeSpan Repeat, TimeSpan LongestRepeat, TimeSpan GiveUp, int Window)
{
    /// <summary>The coordinator evicts a worker that acknowledges nothing for this time, and goes on without it.</summary>
    public static ConversationLimits Coordinator { get; } =
        new(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), Window: 32);

    /// <summary>A worker waits longer for a suspended coordinator. Then it registers again as another node, and keeps its state.</summary>
    public static ConversationLimits Worker { get; } = Coordinator with { GiveUp = TimeSpan.FromMinutes(5) };
}

/// <summary>One end of a conversation between the coordinator and a worker, over a network that loses, repeats and reorders messages. It
/// numbers its messages, repeats them until the other end acknowledges them, and delivers those of the other end in order and once. So its
/// user can rely on it like on a connection that never breaks. The caller provides the time.</summary>
/// <param name="id">Distinguishes the conversation from those of other coordinators and of earlier lives of the worker.</param>
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
    public bool IsQuiet => _unheard.Count == 0 && !_owesAnswer; // Whether nothing is left to send or to repeat.
    public bool IsGivenUp => _waited >= limits.GiveUp;

    /// <summary>The oldest message without acknowledgement, in the user's words; for <see cref="IsGivenUp"/>.</summary>
    public string Unanswered => _unheard.TryPeek(out var oldest)
        ? $"{oldest.GetType().Name} was not acknowledged for {limits.GiveUp.TotalSeconds:0} s"
        : "";

    public long Repeated { get; private set; }

    public void Say(IControlMessage message)
    {
        _unheard.Enqueue(MessageBounds.Shortened(message));
        _said++;
    }

    /// <returns>The content of a message that is next in order; null if it is a repetition, or an earlier one is missing.</returns>
    public IControlMessage? Hear(Numbered message)
    {
        if (message.Conversation != id) return null;
        Acknowledge(message.Heard);
        // Acknowledges repetitions too: the acknowledgement may have been lost.
        _owesAnswer = true;
        if (message.Number != _heard + 1) return null;
        _heard++;
        return message.Content;
    }

    public void Hear(Heard answer)
    {
        if (answer.Conversation == id) Acknowledge(answer.UpTo);
    }

    /// <param name="elapsed">Time in which this process was not suspended.</param>
    public void Pass(TimeSpan elapsed)
    {
        if (_unheard.Count == 0) return;
        _waited += elapsed;
        _silence += elapsed;
        if (_silence < _pause) return;
        _silence = TimeSpan.Zero;
        // One message is enough to find out when a silent peer answers again.
        _isSilent = _pause > limits.Repeat;
        _pause = 2 * _pause < limits.LongestRepeat ? 2 * _pause : limits.LongestRepeat;
        _sent = Before;
    }

    /// <summary>The messages to send now: new ones, those that are due again, or else an acknowledgement.</summary>
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

    private long Before => _said - _unheard.Count; // Number of the last acknowledged message.

    private void Acknowledge(long heard)
    {
        if (heard <= Before || heard > _said) return;
        while (Before < heard) _unheard.Dequeue();
        _sent = Math.Max(_sent, Before);
        (_isSilent, _silence, _waited, _pause) = (false, TimeSpan.Zero, TimeSpan.Zero, limits.Repeat);
    }
}
