using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// The control connections: what is on its way between coordinators and workers, in order as long as a connection holds. While there are
/// faults, whatever is there may arrive next, get lost or arrive twice.
/// </summary>
internal sealed class SimulatedNetwork(Random random, Census census)
{
    /// <summary>More than that are on their way at a time only where somebody does not take them.</summary>
    private const int MaxPackets = 200;

    private readonly List<Packet> _packets = [];
    private readonly HashSet<string> _dead = new(StringComparer.Ordinal);

    private sealed record Packet(string Connection, object From, object To, IControlMessage Message, Action<IControlMessage> Deliver);

    /// <summary>Faults that are still to happen.</summary>
    public int Faults { get; set; }

    /// <summary>Whether anything is on its way.</summary>
    public bool IsEmpty => _packets.Count == 0;

    /// <summary>Sends a message, as the bytes that it is.</summary>
    /// <param name="connection">Over which connection.</param>
    /// <param name="from">Who sends it.</param>
    /// <param name="to">Who gets it.</param>
    /// <param name="message">The message.</param>
    /// <param name="deliver">Takes it in.</param>
    public void Send(string connection, object from, object to, IControlMessage message, Action<IControlMessage> deliver)
    {
        if (_packets.Count < MaxPackets) _packets.Add(new(connection, from, to, message, deliver));
    }

    /// <summary>Something arrives, or not.</summary>
    /// <param name="isTaken">Whether somebody takes in what comes to it now.</param>
    public void Move(Func<object, bool> isTaken)
    {
        var at = random.Next(_packets.Count);
        var packet = _packets[at];
        if (Faults == 0 || random.Next(2) == 0) packet = _packets[at = _packets.FindIndex(p => (p.From, p.To) == (packet.From, packet.To))];
        else if (_packets.FindIndex(p => (p.From, p.To) == (packet.From, packet.To)) < at) census.Count("reordered");
        if (!isTaken(packet.To)) return;
        if (_dead.Contains(packet.Connection))
        {
            _packets.RemoveAt(at);
            return;
        }
        if (Faults > 0 && random.Next(4) == 0)
        {
            Faults--;
            switch (random.Next(20) == 0 ? -1 : random.Next(4))
            {
                case -1:
                    // Nothing arrives over it any more, and the membership notices nothing.
                    census.Count("connection dead");
                    _dead.Add(packet.Connection);
                    return;
                case 0:
                    census.Count($"duplicate {NameOf(packet.Message)}");
                    packet.Deliver(packet.Message);
                    return;
                case 1:
                    // The connection is reset: nobody notices, and all that was on its way is lost.
                    census.Count("connection reset");
                    foreach (var lost in _packets.Where(p => (p.From, p.To) == (packet.From, packet.To) || (p.To, p.From) == (packet.From, packet.To)))
                        census.Count($"lost {NameOf(lost.Message)}");
                    _packets.RemoveAll(p => (p.From, p.To) == (packet.From, packet.To) || (p.To, p.From) == (packet.From, packet.To));
                    return;
                default:
                    census.Count($"lost {NameOf(packet.Message)}");
                    _packets.RemoveAt(at);
                    return;
            }
        }
        _packets.RemoveAt(at);
        packet.Deliver(packet.Message);
    }

    private static string NameOf(IControlMessage message) => message is Numbered numbered ? numbered.Kind : message.GetType().Name;
}
