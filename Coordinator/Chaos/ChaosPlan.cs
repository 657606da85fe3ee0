using System.Collections.Immutable;
using System.Globalization;
using Distributed.Jobs;

namespace Distributed.Coordinator.Chaos;

/// <summary>The faults of a chaos check, as the user asked for them: named one by one, or drawn from a seed.</summary>
internal sealed record ChaosPlan
{
    /// <summary>Faults that may be drawn.</summary>
    public const int MaxCount = 1000;

    /// <summary>The longest that a worker may be frozen for.</summary>
    public static readonly TimeSpan MaxDuration = TimeSpan.FromMinutes(10);

    private const string RandomName = "random";
    private const long DefaultSeed = 1;
    private const string Examples = "kill-worker@30,freeze-worker@60:5s,join@80 or random:7:10";

    private static readonly ImmutableArray<ChaosKind> _kinds = [.. Enum.GetValues<ChaosKind>()];

    /// <summary>The faults that were named, by step; those of one step as they were written. Empty when they are drawn.</summary>
    public ImmutableArray<ChaosFault> Named { get; private init; } = [];

    /// <summary>How many faults are drawn; 0 when they are named.</summary>
    public int Drawn { get; private init; }

    /// <summary>What is drawn by: the faults, where they are not named, and in any case whom they hit.</summary>
    public long Seed { get; private init; } = DefaultSeed;

    /// <summary>Reads a plan: faults with commas between them, or random:SEED:COUNT.</summary>
    /// <exception cref="ChaosPlanException">The text is no plan.</exception>
    public static ChaosPlan Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Trim() is var whole && (whole == RandomName || whole.StartsWith($"{RandomName}:", StringComparison.Ordinal))) return Random(whole);
        return new() { Named = [.. text.Split(',', StringSplitOptions.TrimEntries).Select(Fault).OrderBy(fault => fault.Step)] };
    }

    /// <summary>The faults for a job of so many steps, by step.</summary>
    /// <param name="steps">Training steps of the job, at least 1.</param>
    /// <param name="workers">Workers that it begins with, at least 1.</param>
    /// <exception cref="ChaosPlanException">The job is too short for the plan.</exception>
    public ImmutableArray<ChaosFault> For(long steps, int workers)
    {
        if (Drawn > steps) throw new ChaosPlanException($"--chaos {RandomName}:{Seed}:{Drawn}: the job has {steps} steps; allowed: a count from 1 to {steps}");
        if (Drawn > 0) return ChaosDraw.Faults(Seed, Drawn, steps, workers);
        return Named.FirstOrDefault(fault => fault.Step > steps) is { } late
            ? throw new ChaosPlanException($"--chaos {late}: the job has {steps} steps; allowed: a step from 1 to {steps}")
            : Named;
    }

    private static ChaosPlan Random(string text)
    {
        var parts = text.Split(':');
        if (parts.Length != 3) throw Error(text, $"this is no draw of faults; allowed: {RandomName}:SEED:COUNT and nothing else, for example {RandomName}:7:10");
        if (!TryWhole(parts[1], out var seed))
            throw Error(text, $"the seed is {Found(parts[1])}; allowed: a whole number from 0 to {long.MaxValue}, for example {RandomName}:7:10");
        if (!TryWhole(parts[2], out var count) || count is < 1 or > MaxCount)
            throw Error(text, $"the count is {Found(parts[2])}; allowed: a whole number from 1 to {MaxCount}, for example {RandomName}:7:10");
        return new() { Seed = seed, Drawn = (int)count };
    }

    private static ChaosFault Fault(string text)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var name = at < 0 ? text : text[..at];
        if (!_kinds.Any(kind => ChaosFault.NameOf(kind) == name))
            throw Error(text, $"{(name.Length == 0 ? "nothing" : Shown.Of(name))} is no fault; allowed: {string.Join(", ", _kinds.Select(ChaosFault.NameOf))}, for example {Examples}");
        var kind = _kinds.First(kind => ChaosFault.NameOf(kind) == name);
        var isFreeze = kind == ChaosKind.FreezeWorker;
        var example = $"for example {new ChaosFault(kind, 30, isFreeze ? TimeSpan.FromSeconds(5) : default)}";
        if (at < 0) throw Error(text, $"the step is missing; allowed: @ and a whole number from 1, {example}");

        var parts = text[(at + 1)..].Split(':', 2);
        if (!TryWhole(parts[0], out var step) || step < 1)
            throw Error(text, $"the step is {Found(parts[0])}; allowed: a whole number from 1, {example}");
        if (!isFreeze)
            return parts.Length == 1 ? new(kind, step) : throw Error(text, $"the duration is {Found(parts[1])}; allowed: none for {name}, {example}");
        if (parts.Length == 1) throw Error(text, $"the duration is missing; allowed: a colon and 1ms to {ChaosFault.TextOf(MaxDuration)}, {example}");
        return TryDuration(parts[1], out var duration)
            ? new(kind, step, duration)
            : throw Error(text, $"the duration is {Found(parts[1])}; allowed: 1ms to {ChaosFault.TextOf(MaxDuration)}, in ms or s, {example}");
    }

    private static bool TryDuration(string text, out TimeSpan duration)
    {
        var unit = text.EndsWith("ms", StringComparison.Ordinal) ? 2 : text.EndsWith('s') ? 1 : 0;
        duration = default;
        if (unit == 0 || !TryWhole(text[..^unit], out var amount) || amount > (long)MaxDuration.TotalMilliseconds) return false;
        duration = unit == 2 ? TimeSpan.FromMilliseconds(amount) : TimeSpan.FromSeconds(amount);
        return duration > TimeSpan.Zero && duration <= MaxDuration;
    }

    private static bool TryWhole(string text, out long value) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static ChaosPlanException Error(string found, string message) => new($"--chaos {(found.Length == 0 ? "\"\"" : Shown.Of(found))}: {message}");

    private static string Found(string text) => text.Length == 0 ? "empty" : Shown.Of(text);
}
