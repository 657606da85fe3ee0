using System.Collections.Concurrent;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>How often the simulations have come to states that are rare. Safe from every thread.</summary>
internal sealed class Census
{
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>So many more.</summary>
    public void Count(string state, int times = 1) => _counts.AddOrUpdate(state, times, (_, count) => count + times);

    /// <summary>How often it was come to.</summary>
    public int this[string state] => _counts.GetValueOrDefault(state);

    /// <summary>All that were counted.</summary>
    public override string ToString() => string.Join(", ", _counts.ToArray().OrderBy(state => state.Key, StringComparer.Ordinal).Select(state => $"{state.Key}: {state.Value}"));
}
