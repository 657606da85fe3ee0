using Distributed.Core.Reduction;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>A connection between two workers of a mesh, for as long as it holds.</summary>
internal sealed class SimulatedLink(string a, string b)
{
    private readonly Dictionary<string, Queue<(FrameHeader Frame, long Value)>> _to = new() { [a] = new(), [b] = new() };

    public (string, string) Pair { get; } = string.CompareOrdinal(a, b) < 0 ? (a, b) : (b, a);

    public bool IsBroken { get; private set; }

    /// <summary>What is on its way to one of the two.</summary>
    public Queue<(FrameHeader Frame, long Value)> To(string worker) => _to[worker];

    public void Send(string to, FrameHeader frame, long value)
    {
        if (!IsBroken) _to[to].Enqueue((frame, value));
    }

    /// <summary>What was sent last is lost; either end will notice.</summary>
    public void Break(Random random)
    {
        IsBroken = true;
        foreach (var end in Pair is var (x, y) ? (string[])[x, y] : []) _to[end] = new(_to[end].Take(random.Next(_to[end].Count + 1)));
    }
}
