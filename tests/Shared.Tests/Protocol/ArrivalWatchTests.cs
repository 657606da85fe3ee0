using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

public sealed class ArrivalWatchTests
{
    private static readonly string[] _names = ["a", "b", "c", "d"];

    [Fact]
    public void The_others_are_behind_the_fastest_by_what_it_waited_longer() => Gen.Double[0, 100].Array[1, 8].Sample(waits =>
    {
        var behind = new double[waits.Length];
        ArrivalWatch.Behind(waits, behind);
        Assert.Equal(0, behind[Array.IndexOf(waits, waits.Max())]);
        for (var i = 0; i < waits.Length; i++)
        {
            Assert.True(behind[i] >= 0);
            // Waiting and being behind add up to the same time for every worker.
            Assert.Equal(waits.Max(), waits[i] + behind[i], 1e-9);
        }
    });

    [Fact]
    public void Each_round_is_reported_once_after_the_last_worker_in_any_order() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 6], Gen.Int).Sample((workers, rounds, seed) =>
        {
            var watch = new ArrivalWatch();
            watch.Begin([.. _names[..workers]]);
            var reports =
                (from worker in Enumerable.Range(0, workers) from round in Enumerable.Range(0, rounds) select (worker, round)).ToArray();
            new Random(seed).Shuffle(reports);
            var left = Enumerable.Repeat(workers, rounds).ToArray();
            foreach (var (worker, round) in reports)
            {
                var behind = watch.Waited(_names[worker], round, Wait(worker, round)).ToArray();
                var waits = Enumerable.Range(0, workers).Select(i => Wait(i, round)).ToArray();
                Assert.Equal(--left[round] > 0 ? [] : waits.Select(wait => waits.Max() - wait), behind);
            }

            static double Wait(int worker, int round) => ((worker * 7) + (round * 3)) % 5;
        });

    [Fact]
    public void Only_workers_of_the_plan_count_once_and_only_for_its_rounds()
    {
        var watch = new ArrivalWatch();
        Assert.Empty(watch.Waited("a", 0, 1).ToArray());
        watch.Begin(["a", "b"]);
        Assert.Empty(watch.Waited("a", 0, 1).ToArray());
        Assert.Empty(watch.Waited("a", 0, 9).ToArray());
        Assert.Empty(watch.Waited("c", 0, 9).ToArray());
        Assert.Equal([2, 0], watch.Waited("b", 0, 3).ToArray());
        Assert.Empty(watch.Waited("a", 1, 1).ToArray());
        watch.Begin(["a", "b"]);
        Assert.Empty(watch.Waited("b", 1, 1).ToArray());
        Assert.Equal([0, 0], watch.Waited("a", 1, 1).ToArray());
    }

    [Fact]
    public void Memory_is_bounded_however_far_the_reports_of_one_worker_are_ahead()
    {
        var watch = new ArrivalWatch();
        watch.Begin(["a", "b"]);
        for (var round = 0; round <= ArrivalWatch.MaxRounds; round++) watch.Waited("a", round, 1);
        Assert.Empty(watch.Waited("b", 0, 1).ToArray());
        Assert.Equal([0, 1], watch.Waited("b", ArrivalWatch.MaxRounds, 0).ToArray());
    }
}
