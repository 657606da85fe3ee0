using System.Collections.Immutable;
using System.Globalization;
using Distributed.Jobs;

namespace Distributed.Coordinator.Chaos;

/// <summary>The faults of a chaos check as the user gave them: named one by one, or drawn from a seed.</summary>
internal sealed record ChaosPlan
{
    public const int MaxCount = 1000;

    public static readonly TimeSpan MaxDuration = TimeSpan.FromMinutes(10);

    private const string RandomName = "random";
    private const string RandomExample = "for example random:7:10";
    private const long DefaultSeed = 1;
    private const string Examples = "kill-worker@30,freeze-worker@60:5s,join@80 or random:7:10";

    private static readonly ImmutableArray<ChaosKind> _kinds = [.. Enum.GetValues<ChaosKind>()];

    /// <summary>Ordered by step; those of one step as written. Empty if the faults are drawn.</summary>
    public ImmutableArray<ChaosFault> Named { get; private init; } = [];
    public int Drawn { get; private init; } // Number of faults to draw; 0 if they are named
    public long Seed { get; private init; } = DefaultSeed; // Also chooses the victims of named faults

    /// <summary>Parses faults separated by commas, or random:SEED:COUNT.</summary>
    public static ChaosPlan Parse(string text)
    {
        var whole = text.Trim();
        if (whole == RandomName || whole.StartsWith($"{RandomName}:", StringComparison.Ordinal)) return Random(whole);
        return new() { Named = [.. text.Split(',', StringSplitOptions.TrimEntries).Select(Fault).OrderBy(fault => fault.Step)] };
    }

    /// <summary>The faults for a job, ordered by step.</summary>
    /// <param name="workers">Workers that the job begins with.</param>
    public ImmutableArray<ChaosFault> For(long steps, int workers)
    {
        if (Drawn > steps) throw TooShort($"{RandomName}:{Seed}:{Drawn}", steps, "count");
        if (Drawn > 0) return ChaosDraw.Faults(Seed, Drawn, steps, workers);
        return Named.FirstOrDefault(fault => fault.Step > steps) is { } late ? throw TooShort($"{late}", steps, "step") : Named;
    }

    private static ChaosPlan Random(string text)
    {
        var parts = text.Split(':');
        if (parts.Length != 3) throw Error(text, $"malformed; allowed: {RandomName}:SEED:COUNT and nothing else, {RandomExample}");
        if (!TryWhole(parts[1], out var seed))
            throw Error(text, $"the seed is {Found(parts[1])}; allowed: a whole number from 0 to {long.MaxValue}, {RandomExample}");
        if (!TryWhole(parts[2], out var count) || count is < 1 or > MaxCount)
            throw Error(text, $"the count is {Found(parts[2])}; allowed: a whole number from 1 to {MaxCount}, {RandomExample}");
        return new() { Seed = seed, Drawn = (int)count };
    }

    private static ChaosFault Fault(string text)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var name = at < 0 ? text : text[..at];
        if (!_kinds.Any(kind => ChaosFault.NameOf(kind) == name))
        {
            throw Error(text, $"{(name.Length == 0 ? "the fault is missing" : $"unknown fault {Shown.Of(name)}")}; "
                + $"allowed: {string.Join(", ", _kinds.Select(ChaosFault.NameOf))}, for example {Examples}");
        }
        var kind = _kinds.First(kind => ChaosFault.NameOf(kind) == name);
        var isFreeze = kind == ChaosKind.FreezeWorker;
        var example = $"for example {new ChaosFault(kind, 30, isFreeze ? TimeSpan.FromSeconds(5) : default)}";
        if (at < 0) throw Error(text, $"the step is missing; allowed: @ and a whole number from 1, {example}");

        var parts = text[(at + 1)..].Split(':', 2);
        if (!TryWhole(parts[0], out var step) || step < 1)
            throw Error(text, $"the step is {Found(parts[0])}; allowed: a whole number from 1, {example}");
        if (!isFreeze && parts.Length == 1) return new(kind, step);
        if (!isFreeze) throw Error(text, $"the duration is {Found(parts[1])}; {name} takes no duration, {example}");
        var range = $"1ms to {ChaosFault.TextOf(MaxDuration)}";
        if (parts.Length == 1) throw Error(text, $"the duration is missing; allowed: a colon and {range}, {example}");
        return TryDuration(parts[1], out var duration)
            ? new(kind, step, duration)
            : throw Error(text, $"the duration is {Found(parts[1])}; allowed: {range}, in ms or s, {example}");
    }

    private static bool TryDuration(string text, out TimeSpan duration)
    {
        var unit = text.EndsWith("ms", StringComparison.Ordinal) ? 2 : text.EndsWith('s') ? 1 : 0;
        duration = default;
        if (unit == 0 || !TryWhole(text[..^unit], out var amount) || amount > (long)MaxDuration.TotalMilliseconds) return false;
        duration = unit == 2 ? TimeSpan.FromMilliseconds(amount) : TimeSpan.FromSeconds(amount);
        return duration > TimeSpan.Zero && duration <= MaxDuration;
    }

    private static bool TryWhole(string text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static ChaosException TooShort(string what, long steps, string allowed) =>
        new(2, $"--chaos {what}: the job has {steps} steps; allowed: a {allowed} from 1 to {steps}");

    private static ChaosException Error(string found, string message) =>
        new(2, $"--chaos {(found.Length == 0 ? "\"\"" : Shown.Of(found))}: {message}");

    private static string Found(string text) => text.Length == 0 ? "empty" : Shown.Of(text);
}

/// <param name="exitCode">1: the check failed; 2: bad input.</param>
internal sealed class ChaosException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
