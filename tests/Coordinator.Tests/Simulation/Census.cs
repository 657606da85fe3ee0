using System.Collections.Concurrent;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>How often the simulations reached rare states. Safe for use by several threads.</summary>
internal sealed class Census
{
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>Counts a state.</summary>
    public void Count(string state, int times = 1) => _counts.AddOrUpdate(state, times, (_, count) => count + times);

    /// <summary>Counts an effect of a protocol, and the cause where it refuses or ends something.</summary>
    public void Count(object effect)
    {
        Count(NameOf(effect.GetType()));
        if (effect.GetType().GetProperty("Cause")?.GetValue(effect) is Enum cause) Count(NameOf(cause));
    }

    public static string NameOf(Type effect) => $"{effect.DeclaringType!.Name}.{effect.Name}";

    public static string NameOf(Enum cause) => $"{cause.GetType().Name}.{cause}";

    /// <summary>How often the simulations reached this state.</summary>
    public int this[string state] => _counts.GetValueOrDefault(state);

    /// <summary>All counts.</summary>
    public override string ToString()
    {
        var states = _counts.ToArray().OrderBy(state => state.Key, StringComparer.Ordinal);
        return string.Join(", ", states.Select(state => $"{state.Key}: {state.Value}"));
    }
}
