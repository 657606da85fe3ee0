using System.Collections.Concurrent;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>How often the simulations have come to states that are rare. Safe from every thread.</summary>
internal sealed class Census
{
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>So many more.</summary>
    public void Count(string state, int times = 1) => _counts.AddOrUpdate(state, times, (_, count) => count + times);

    /// <summary>Counts an effect of a protocol, and the cause where it refuses or ends something.</summary>
    public void Count(object effect)
    {
        Count(NameOf(effect.GetType()));
        if (effect.GetType().GetProperty("Cause")?.GetValue(effect) is Enum cause) Count(NameOf(cause));
    }

    public static string NameOf(Type effect) => $"{effect.DeclaringType!.Name}.{effect.Name}";

    public static string NameOf(Enum cause) => $"{cause.GetType().Name}.{cause}";

    /// <summary>How often it was reached.</summary>
    public int this[string state] => _counts.GetValueOrDefault(state);

    /// <summary>All that were counted.</summary>
    public override string ToString() => string.Join(", ", _counts.ToArray().OrderBy(state => state.Key, StringComparer.Ordinal).Select(state => $"{state.Key}: {state.Value}"));
}
