using Distributed.Bench.Results;

namespace Distributed.Bench.Measures;

/// <param name="Name">The name that --only matches.</param>
/// <param name="RunAsync">Throws <see cref="Processes.BenchException"/> on failure.</param>
internal sealed record Measure(string Name, Func<Conditions, Task<IReadOnlyList<Row>>> RunAsync)
{
    /// <summary>In the order of the table.</summary>
    public static IReadOnlyList<Measure> All { get; } =
    [
        .. AllReduce.All, .. StepCost.All, Determinism.Relaxed, .. Memory.All, Startup.Digits, Recovery.Killed, CheckpointCost.Mlp,
        ScrapeCost.Mlp, .. TlsCost.All, CoordinatorCost.Simulated, ControlMessages.Tiny,
    ];
}

/// <summary>The conditions that all measures of a run share.</summary>
/// <param name="Peer">Null if there is no Python with torch.</param>
internal sealed record Conditions(
    int Repetitions, string Topology, DdpGloo? Peer, Action<string> Progress, CancellationToken Stopping)
{
    /// <summary>Measures both in turn, in alternating order: a machine that slows down or speeds up favours neither.</summary>
    public async Task<IReadOnlyList<(TOurs Ours, TPeer? Peer)>> RepeatAsync<TOurs, TPeer>(
        string what, Func<Task<TOurs>> ours, Func<DdpGloo, Task<TPeer>> peer)
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

    /// <summary>Measures with and without something in turn, in the same way.</summary>
    public Task<IReadOnlyList<(T With, T Without)>> RepeatInTurnAsync<T>(string what, Func<bool, Task<T>> measure) =>
        RepeatAsync(what, async repetition =>
        {
            var withFirst = repetition % 2 == 0;
            var first = await measure(withFirst).ConfigureAwait(false);
            var second = await measure(!withFirst).ConfigureAwait(false);
            return withFirst ? (first, second) : (second, first);
        });

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
