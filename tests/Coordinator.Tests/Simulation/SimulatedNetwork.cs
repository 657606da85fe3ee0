using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// The control connections: the messages in transit between coordinators and workers, in order as long as a connection holds. While there
/// are faults, any message may arrive next, get lost or arrive twice.
/// </summary>
internal sealed class SimulatedNetwork(Random random, Census census)
{
    /// <summary>More messages than that are in transit only where a receiver is frozen.</summary>
    private const int MaxPackets = 200;

    private readonly List<Packet> _packets = [];
    private readonly HashSet<string> _dead = new(StringComparer.Ordinal);

    private sealed record Packet(string Connection, object From, object To, IControlMessage Message, Action<IControlMessage> Deliver);

    /// <summary>Faults that have yet to happen.</summary>
    public int Faults { get; set; }

    /// <summary>Whether no message is in transit.</summary>
    public bool IsEmpty => _packets.Count == 0;

    /// <summary>Sends a message.</summary>
    /// <param name="connection">Name of the connection.</param>
    /// <param name="from">The sender.</param>
    /// <param name="to">The receiver.</param>
    /// <param name="message">The message.</param>
    /// <param name="deliver">Takes it in.</param>
    public void Send(string connection, object from, object to, IControlMessage message, Action<IControlMessage> deliver)
    {
        if (_packets.Count < MaxPackets) _packets.Add(new(connection, from, to, message, deliver));
    }

    /// <summary>Delivers a message, or makes it get lost.</summary>
    /// <param name="isTaken">Whether a receiver accepts messages now.</param>
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
                    // Nothing arrives over this connection any more, and the membership does not notice.
                    census.Count("connection dead");
                    _dead.Add(packet.Connection);
                    return;
                case 0:
                    census.Count($"duplicate {NameOf(packet.Message)}");
                    packet.Deliver(packet.Message);
                    return;
                case 1:
                    // The connection is reset: no side notices, and all messages in transit are lost.
                    census.Count("connection reset");
                    foreach (var lost in _packets.Where(p => IsBetween(p, packet.From, packet.To)))
                        census.Count($"lost {NameOf(lost.Message)}");
                    _packets.RemoveAll(p => IsBetween(p, packet.From, packet.To));
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

    private static bool IsBetween(Packet packet, object one, object other) =>
        (packet.From, packet.To) == (one, other) || (packet.To, packet.From) == (one, other);

    private static string NameOf(IControlMessage message) => message is Numbered numbered ? numbered.Kind : message.GetType().Name;
}
