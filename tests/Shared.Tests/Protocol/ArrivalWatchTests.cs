using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

public sealed class ArrivalWatchTests
{
    private static readonly string[] _names = ["a", "b", "c", "d"];

    [Fact]
    public void The_fastest_is_behind_nobody_and_the_others_by_what_it_waited_longer() => Gen.Double[0, 100].Array[1, 8].Sample(waits =>
    {
        var behind = new double[waits.Length];
        ArrivalWatch.Behind(waits, behind);
        Assert.Equal(0, behind[Array.IndexOf(waits, waits.Max())]);
        for (var i = 0; i < waits.Length; i++)
        {
            Assert.True(behind[i] >= 0);
            // Who waited and who was waited for, together, take the same time.
            Assert.Equal(waits.Max(), waits[i] + behind[i], 1e-9);
        }
    });

    [Fact]
    public void Each_round_is_told_once_when_the_last_worker_has_reported_it_in_whatever_order() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 6], Gen.Int).Sample((workers, rounds, seed) =>
        {
            var watch = new ArrivalWatch();
            watch.Begin([.. _names[..workers]]);
            var reports = (from worker in Enumerable.Range(0, workers) from round in Enumerable.Range(0, rounds) select (worker, round)).ToArray();
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
    public void Only_workers_of_the_plan_count_and_each_once_and_nothing_from_before_the_plan()
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
    public void However_far_the_reports_of_one_worker_are_ahead_what_is_kept_has_a_bound_and_it_goes_on()
    {
        var watch = new ArrivalWatch();
        watch.Begin(["a", "b"]);
        for (var round = 0; round <= ArrivalWatch.MaxRounds; round++) watch.Waited("a", round, 1);
        Assert.Empty(watch.Waited("b", 0, 1).ToArray());
        Assert.Equal([0, 1], watch.Waited("b", ArrivalWatch.MaxRounds, 0).ToArray());
    }
}
