using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Core.Scores;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunLedgerTests
{
    private static readonly Gen<(Rounds Rounds, int Workers, int Seed)> _any =
        from train in Gen.Int[1, 30]
        from test in Gen.OneOfConst(0, 1, 200)
        from epochs in Gen.Int[1, 4]
        from batch in Gen.Int[1, train]
        from workers in Gen.Int[1, 4]
        from seed in Gen.Int
        select (new Rounds(train, test, epochs, batch, 1), workers, seed);

    [Fact]
    public void Interleaved_reports_enter_every_round_once_and_in_order() => _any.Sample(x =>
    {
        var ledger = Under(x.Rounds, [.. Enumerable.Range(0, x.Workers).Select(i => $"worker-{i}")]);
        var (random, entered, samples) = (new Random(x.Seed), new List<Round>(), 0L);
        var next = new long[x.Workers];
        while (next.Any(n => n < x.Rounds.Count))
        {
            // Workers run ahead of each other's reports by any number of rounds.
            var worker = random.Next(x.Workers);
            for (var i = random.Next(5); i >= 0 && next[worker] < x.Rounds.Count && next[worker] <= ledger.Entered; i--)
            {
                Assert.Null(ledger.Enter($"worker-{worker}", Report(x.Rounds, next[worker]++), out var round));
                if (round is { } first) entered.Add(first);
                if (round is { Kind: RoundKind.Train }) samples += round.Value.Samples;
                Assert.Equal((entered.Count, samples), (ledger.Entered, ledger.SamplesApplied));
            }
        }
        Assert.Equal(Enumerable.Range(0, (int)x.Rounds.Count).Select(n => x.Rounds.At(n)), entered);
        Assert.Equal(ledger.SamplesExpected, ledger.SamplesApplied);
        Assert.Equal((long)x.Rounds.TrainSamples * x.Rounds.Epochs, ledger.SamplesExpected);
    });

    [Fact]
    public void An_impossible_round_is_refused() => Gen.Select(_any, Gen.Int[0, 20], Gen.Long).Sample((x, done, number) =>
    {
        var ledger = After(x.Rounds, done);
        if (number >= 0 && number <= ledger.Entered && number < x.Rounds.Count) return;
        var wrong = ledger.Enter("odd", Report(x.Rounds, 0) with { Round = number }, out var round);
        Assert.Equal($"odd reports round {number}, but {ledger.Entered} of {x.Rounds.Count} rounds are done", wrong);
        Assert.Null(round);
    });

    [Fact]
    public void Unreported_rounds_are_missing_from_the_result_and_from_a_workers_state() =>
        Gen.Select(_any, Gen.Int[0, 20]).Sample((x, done) =>
        {
            var ledger = After(x.Rounds, done);
            Assert.Equal(ledger.Entered < x.Rounds.Count, ledger.Shortfall is not null);
            for (var applied = 0; applied <= x.Rounds.Count; applied++)
                Assert.Equal(applied > ledger.Entered, ledger.UnreportedBy(applied) is not null);
        });

    [Fact]
    public void A_differing_digest_is_named_with_both_workers() => Gen.Select(_any, Gen.Int[1, 20]).Sample((x, done) =>
    {
        var ledger = After(x.Rounds, done);
        var number = ledger.Entered - 1;
        var wrong = ledger.Enter("odd", Report(x.Rounds, number) with { Digest = default }, out _);
        Assert.StartsWith("odd, epoch ", wrong, StringComparison.Ordinal);
        Assert.EndsWith($"its parameters ({default(StateDigest)}) differ from those of worker ({new StateDigest(7, (ulong)number)})", wrong,
            StringComparison.Ordinal);
    });

    [Fact]
    public void Another_number_of_samples_is_refused() =>
        Gen.Select(_any, Gen.OneOf(Gen.Double, Gen.Const(double.NaN), Gen.Const(-1.0))).Sample((x, samples) =>
        {
            var report = Report(x.Rounds, 0);
            if (samples == report.Tallies[Tally.Samples]) return;
            var wrong = new RunLedger(x.Rounds, isExact: true).Enter("odd", report with { Tallies = [samples, 1, 1] }, out _);
            Assert.Equal($"odd, epoch 1, step 0: {samples} samples were applied where the round has {x.Rounds.At(0).Samples}", wrong);
        });

    [Fact]
    public void A_refused_report_is_not_entered() => Gen.Select(_any, Gen.Int[0, 20]).Sample((x, done) =>
    {
        var ledger = After(x.Rounds, done);
        if (ledger.Entered == x.Rounds.Count) return;
        var (good, before) = (Report(x.Rounds, ledger.Entered), (ledger.Entered, ledger.SamplesApplied));
        RoundReport[] bad =
        [
            good with { Tallies = [] }, good with { Tallies = [good.Tallies[0] + 1, 0, 0] },
            good with { Round = -1 }, good with { Round = good.Round + 1 },
            good with { Times = new(0, 0, 0, -1) }, good with { Times = new(double.NaN, 0, 0, 0) },
        ];
        foreach (var report in bad)
        {
            Assert.StartsWith("odd", ledger.Enter("odd", report, out var round), StringComparison.Ordinal);
            Assert.Null(round);
            Assert.Equal(before, (ledger.Entered, ledger.SamplesApplied));
        }
        Assert.Null(ledger.Enter("worker", good with { Digest = new(8, 8) }, out _));
    });

    [Fact]
    public void Tallies_are_counted_before_they_are_read()
    {
        var rounds = new Rounds(4, 4, 1, 4, 1);
        var ledger = new RunLedger(rounds, isExact: true);
        Assert.Equal("odd, epoch 1, step 0: 1 tallies are reported where at least 2 are needed",
            ledger.Enter("odd", Report(rounds, 0) with { Tallies = [4] }, out _));
        Assert.Null(ledger.Enter("even", Report(rounds, 0) with { Tallies = [4, 1] }, out _));
        Assert.Equal("odd, epoch 1, step 1: 2 tallies are reported where at least 3 are needed",
            ledger.Enter("odd", Report(rounds, 1) with { Tallies = [4, 1] }, out _));
    }

    [Fact]
    public void A_metric_of_several_sums_needs_them_all()
    {
        var rounds = new Rounds(4, 4, 1, 4, 1);
        var ledger = new RunLedger(rounds, isExact: true, metricSums: Metric.R2.Sums);
        Assert.Null(ledger.Enter("even", Report(rounds, 0) with { Tallies = [4, 1] }, out _));
        Assert.Equal("odd, epoch 1, step 1: 4 tallies are reported where at least 5 are needed",
            ledger.Enter("odd", Report(rounds, 1) with { Tallies = [4, 1, 1, 1] }, out _));
    }

    [Fact]
    public void A_digest_is_kept_until_all_workers_of_the_plan_have_reported_its_round() =>
        Gen.Select(_any, Gen.Int[0, 20].Array[2, 5]).Sample((x, done) =>
        {
            string[] workers = [.. done.Select((_, i) => $"worker-{i}")];
            long[] reported = [.. done.Select(d => Math.Min(d, x.Rounds.Count))];
            var (ledger, random) = (Under(x.Rounds, workers), new Random(x.Seed));
            var next = new long[workers.Length];
            while (Array.FindAll([.. Enumerable.Range(0, workers.Length)],
                i => next[i] < reported[i] && next[i] <= ledger.Entered) is { Length: > 0 } able)
            {
                var worker = able[random.Next(able.Length)];
                Assert.Null(ledger.Enter(workers[worker], Report(x.Rounds, next[worker]++), out _));
            }
            for (var number = 0; number < ledger.Entered; number++)
                Assert.Equal(number < reported.Min(), IsForgotten(ledger, x.Rounds, number));
        });

    [Fact]
    public void A_worker_outside_the_plan_does_not_hold_back_digests()
    {
        var rounds = new Rounds(10, 0, 1, 1, 1);
        var ledger = Under(rounds, "worker", "lost");
        for (var number = 0; number < 6; number++) Assert.Null(ledger.Enter("worker", Report(rounds, number), out _));
        for (var number = 0; number < 4; number++) Assert.Null(ledger.Enter("lost", Report(rounds, number), out _));
        Assert.False(IsForgotten(ledger, rounds, 5));
        ledger.Begin(Plan(rounds, generation: 2, first: 6, "worker", "newcomer"));
        Assert.True(IsForgotten(ledger, rounds, 5));
        Assert.Null(ledger.Enter("worker", Report(rounds, 6), out _));
        Assert.False(IsForgotten(ledger, rounds, 6));
        Assert.Null(ledger.Enter("newcomer", Report(rounds, 6), out _));
        Assert.True(IsForgotten(ledger, rounds, 6));
    }

    [Fact]
    public void A_repeated_round_is_compared_with_its_first_result()
    {
        var rounds = new Rounds(10, 0, 1, 1, 1);
        var ledger = Under(rounds, "worker", "lost");
        Assert.Null(ledger.Enter("worker", Report(rounds, 0), out _));
        Assert.Null(ledger.Enter("lost", Report(rounds, 0), out _));
        Assert.Null(ledger.Enter("lost", Report(rounds, 1), out _));
        ledger.Begin(Plan(rounds, generation: 2, first: 1, "worker"));
        Assert.False(IsForgotten(ledger, rounds, 1));
        Assert.Null(ledger.Enter("worker", Report(rounds, 1), out var round));
        Assert.Null(round);
        Assert.True(IsForgotten(ledger, rounds, 1));
    }

    [Fact]
    public void In_an_inexact_job_a_repeated_round_is_compared_with_its_second_result_only()
    {
        var rounds = new Rounds(10, 0, 1, 1, 1);
        var ledger = new RunLedger(rounds, isExact: false);
        ledger.Begin(Plan(rounds, generation: 1, first: 0, "worker", "other", "lost"));
        foreach (var worker in (string[])["worker", "other", "lost"]) Assert.Null(ledger.Enter(worker, Report(rounds, 0), out _));
        Assert.Null(ledger.Enter("lost", Report(rounds, 1), out _));
        ledger.Begin(Plan(rounds, generation: 2, first: 1, "worker", "other"));

        var second = Report(rounds, 1) with { Digest = new(8, 8) };
        Assert.Null(ledger.Enter("worker", second, out var round));
        Assert.Null(round);
        Assert.Equal((2, 2), (ledger.Entered, ledger.SamplesApplied));
        Assert.StartsWith("other, epoch 1, step 1: its parameters", ledger.Enter("other", Report(rounds, 1), out _),
            StringComparison.Ordinal);
        Assert.Null(ledger.Enter("other", second, out _));
        Assert.True(IsForgotten(ledger, rounds, 1));
    }

    private static bool IsForgotten(RunLedger ledger, Rounds rounds, long number) =>
        ledger.Enter("odd", Report(rounds, number) with { Digest = default }, out _) is null;

    private static RunLedger Under(Rounds rounds, params string[] workers)
    {
        var ledger = new RunLedger(rounds, isExact: true);
        ledger.Begin(Plan(rounds, generation: 1, first: 0, workers));
        return ledger;
    }

    private static Plan Plan(Rounds rounds, int generation, long first, params string[] workers) =>
        new(generation, first, rounds.Count, [.. workers], Topology.Star);

    private static RunLedger After(Rounds rounds, int done)
    {
        var ledger = new RunLedger(rounds, isExact: true);
        for (var number = 0; number < Math.Min(done, rounds.Count); number++)
            Assert.Null(ledger.Enter("worker", Report(rounds, number), out _));
        return ledger;
    }

    private static RoundReport Report(Rounds rounds, long number) =>
        new(number, new(7, (ulong)number), [rounds.At(number).Samples, 1, 1], 0.1, 1, 1, new(1, 1, 1, 1));
}
