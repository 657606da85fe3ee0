using System.Text.Json;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;

namespace Distributed.Bench.Measures;

/// <summary>An all-reduce between processes of this machine, over tensor links as they are used in training.</summary>
internal static class AllReduce
{
    private static readonly IReadOnlyList<int> _floats = [421_642, 5_824_522, 25_557_032];

    public static IReadOnlyList<Measure> All { get; } =
    [
        Of("all-reduce 2 processes", 2, tcp: false, Goal.RatioAtMost(0.3)),
        Of("all-reduce 4 processes", 4, tcp: false, Goal.RatioAtMost(0.5)),
        Of("all-reduce 2 processes over TCP", 2, tcp: true, Goal.RatioAtMost(0.8)),
    ];

    private static Measure Of(string name, int world, bool tcp, Goal goal) => new(name, async conditions =>
    {
        var results = await conditions.RepeatAsync(name,
            async () =>
            {
                var reduced = new List<Reduced>();
                foreach (var floats in _floats)
                    reduced.Add(await ReduceAsync(world, floats, tcp, conditions.Stopping).ConfigureAwait(false));
                return reduced;
            },
            peer => peer.AllReduceAsync(world, _floats, conditions.Stopping)).ConfigureAwait(false);
        return
        [
            .. _floats.Select((floats, i) => Row.OfPairs(
                $"{name}: {floats:#,0} floats, ms", [.. results.Select(r => new Pair(r.Ours[i].Milliseconds, r.Peer?[i]))], goal)),
            Row.OfOurs(
                $"{name}: managed allocation of a round, bytes", results.Select(r => r.Ours.Max(reduced => reduced.AllocatedBytes)),
                Goal.AtMost(0)),
        ];
    });

    private static async Task<Reduced> ReduceAsync(int world, int floats, bool tcp, CancellationToken stopping)
    {
        using var rendezvous = new TemporaryFolder();
        var ranks = await ChildProcess.RunTogetherAsync(Enumerable.Range(0, world).Select(rank => ChildCommand.Dotnet(Programs.Bench,
        [
            "allreduce-rank", "--rank", $"{rank}", "--world", $"{world}", "--floats", $"{floats}", "--rounds", $"{RoundsOf(floats)}",
            "--rendezvous", rendezvous.Path, .. tcp ? ["--tcp"] : (string[])[],
        ])), stopping).ConfigureAwait(false);
        if (ranks[0].Output.Count == 0) throw new BenchException("rank 0 wrote no result");
        using var json = JsonDocument.Parse(ranks[0].Output[^1]);
        return new(json.RootElement.GetProperty("ms").GetDouble(), json.RootElement.GetProperty("allocated_bytes_per_round").GetDouble());
    }

    /// <summary>Some seconds of rounds; more rounds where they are short.</summary>
    private static int RoundsOf(int floats) => (int)Math.Clamp(2_000_000_000L / floats, 80, 4000);

    private sealed record Reduced(double Milliseconds, double AllocatedBytes);
}
