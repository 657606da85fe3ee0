using Distributed.Bench.Results;

namespace Distributed.Bench.Measures;

/// <summary>Something to measure.</summary>
/// <param name="Name">What --only chooses by.</param>
/// <param name="RunAsync">Does it; throws <see cref="Processes.BenchException"/> when it cannot.</param>
internal sealed record Measure(string Name, Func<Conditions, Task<IReadOnlyList<Row>>> RunAsync)
{
    /// <summary>All of them, in the order of the table.</summary>
    public static IReadOnlyList<Measure> All { get; } =
        [.. AllReduce.All, .. StepCost.All, Determinism.Relaxed, .. Memory.All, Startup.Digits, Recovery.Killed, CheckpointCost.Mlp, ScrapeCost.Mlp, .. TlsCost.All, CoordinatorCost.Simulated, ControlMessages.Tiny];
}

/// <summary>What all measures of a run have in common.</summary>
internal sealed record Conditions
{
    /// <summary>How often each is repeated, at least 1.</summary>
    public required int Repetitions { get; init; }

    /// <summary>Topology of the jobs.</summary>
    public required string Topology { get; init; }

    /// <summary>The peer; null where there is none.</summary>
    public required DdpGloo? Peer { get; init; }

    /// <summary>Tells the user what is being done.</summary>
    public required Action<string> Progress { get; init; }

    /// <summary>Ends everything.</summary>
    public required CancellationToken Stopping { get; init; }

    /// <summary>Repeats ours and the peer's in turn, who begins changing every time: a machine that grows slower or faster favours neither.</summary>
    public async Task<IReadOnlyList<(TOurs Ours, TPeer? Peer)>> RepeatAsync<TOurs, TPeer>(string what, Func<Task<TOurs>> ours, Func<DdpGloo, Task<TPeer>> peer)
    {
        var results = new List<(TOurs, TPeer?)>();
        for (var repetition = 0; repetition < Repetitions; repetition++)
        {
            Progress($"{what}: {repetition + 1} of {Repetitions}");
            var first = repetition % 2 == 0 ? default : await PeerAsync().ConfigureAwait(false);
            var own = await ours().ConfigureAwait(false);
            results.Add((own, repetition % 2 == 0 ? await PeerAsync().ConfigureAwait(false) : first));
        }
        return results;

        async Task<TPeer?> PeerAsync() => Peer is null ? default : await peer(Peer).ConfigureAwait(false);
    }

    /// <summary>Repeats with and without something in turn; likewise, who begins changes every time.</summary>
    public Task<IReadOnlyList<(T With, T Without)>> RepeatInTurnAsync<T>(string what, Func<bool, Task<T>> measure) => RepeatAsync(what, async repetition =>
    {
        var withFirst = repetition % 2 == 0;
        var first = await measure(withFirst).ConfigureAwait(false);
        var second = await measure(!withFirst).ConfigureAwait(false);
        return withFirst ? (first, second) : (second, first);
    });

    /// <summary>Repeats what has no peer.</summary>
    public async Task<IReadOnlyList<T>> RepeatAsync<T>(string what, Func<int, Task<T>> ours)
    {
        var results = new List<T>();
        for (var repetition = 0; repetition < Repetitions; repetition++)
        {
            Progress($"{what}: {repetition + 1} of {Repetitions}");
            results.Add(await ours(repetition).ConfigureAwait(false));
        }
        return results;
    }
}
