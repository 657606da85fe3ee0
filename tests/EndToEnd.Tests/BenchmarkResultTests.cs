using System.Text.Json;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.EndToEnd.Tests;

/// <summary>How the benchmarks judge their measurements.</summary>
public sealed class BenchmarkResultTests
{
    private static readonly Gen<double> _time = Gen.Double[0.001, 1000];
    private static readonly Gen<double> _factor = Gen.Double[0.1, 10];

    [Fact]
    public void Half_of_the_values_lie_on_each_side_of_the_median() => _time.Array[1, 50].Sample(values =>
    {
        var median = Median.Of(values);
        return values.Count(value => value <= median) * 2 >= values.Length && values.Count(value => value >= median) * 2 >= values.Length;
    });

    [Fact]
    public void A_load_that_slows_both_alike_does_not_change_the_ratio() =>
        Gen.Select(_factor, Gen.Select(_time, _factor).Array[1, 20]).Sample((ratio, repetitions) =>
        {
            var row = Row.OfPairs("time", [.. repetitions.Select(r => new Pair(r.Item1 * r.Item2 * ratio, r.Item1 * r.Item2))]);
            return Math.Abs(row.Ratio!.Value - ratio) < 1e-9 * ratio;
        });

    [Theory]
    [InlineData(2.9, true)]
    [InlineData(3.0, true)]
    [InlineData(3.1, false)]
    public void A_ratio_meets_its_goal_up_to_the_limit(double ours, bool isMet)
    {
        var row = Row.OfPairs("time", [new(ours, 10)], Goal.RatioAtMost(0.3));
        Assert.Equal(isMet, row.Met);
        Assert.Equal("ratio <= 0.3", row.Goal);
    }

    [Theory]
    [InlineData(0.96, false)]
    [InlineData(0.97, true)]
    public void An_efficiency_meets_its_goal_from_the_limit_on(double ours, bool isMet) =>
        Assert.Equal(isMet, Row.OfOurs("efficiency", [ours], Goal.AtLeast(0.97)).Met);

    [Fact]
    public void A_goal_about_a_ratio_is_not_judged_without_a_peer()
    {
        var row = Row.OfPairs("time", [new(1, 2), new(1, null)], Goal.RatioAtMost(0.3));
        Assert.Equal((1.0, null, null, null), (row.Ours, row.Peer, row.Ratio, row.Met));
    }

    [Fact]
    public void A_difference_is_compared_by_its_medians()
    {
        var row = Row.OfDifferences("added", [new(1, 0), new(2, 8), new(9, 9)], Goal.RatioAtMost(0.25));
        Assert.Equal((2.0, 8.0, 0.25, true), (row.Ours, row.Peer, row.Ratio, row.Met));
    }

    [Theory]
    [InlineData(-1, 4)]
    [InlineData(1, -4)]
    public void A_negative_difference_is_not_judged(double ours, double peer)
    {
        var row = Row.OfDifferences("added", [new(ours, peer)], Goal.RatioAtMost(0.25));
        Assert.Equal((null, null), (row.Ratio, row.Met));
    }

    [Fact]
    public void A_report_is_read_back_from_its_json()
    {
        var report = new Report(
            Machine.Here("1.13"), [Row.OfPairs("time", [new(1, 4)], Goal.RatioAtMost(0.3)), new() { Measure = "other", Failure = "why" }]);
        using var json = JsonDocument.Parse(report.ToJson());
        Assert.True(json.RootElement.GetProperty("machine").GetProperty("cores").GetInt32() > 0);
        var rows = json.RootElement.GetProperty("rows");
        Assert.Equal(
            ("time", 1.0, 4.0, 0.25, "ratio <= 0.3", true),
            (rows[0].GetProperty("measure").GetString(), rows[0].GetProperty("ours").GetDouble(), rows[0].GetProperty("peer").GetDouble(),
                rows[0].GetProperty("ratio").GetDouble(), rows[0].GetProperty("goal").GetString(),
                    rows[0].GetProperty("met").GetBoolean()));
        Assert.Equal(JsonValueKind.Null, rows[1].GetProperty("ours").ValueKind);
        Assert.Equal("why", rows[1].GetProperty("failure").GetString());
    }

    [Fact]
    public void The_first_half_of_a_run_does_not_count()
    {
        string[] lines = ["step,samples_per_second,loss",
            .. Enumerable.Range(1, 24).Select(step => $"{step},{(step <= 12 ? 1 : 3200)},0.5")];
        Assert.Equal(20, History.SteadyMilliseconds(History.Milliseconds(lines, batch: 64)));
        Assert.Throws<BenchException>(() => History.SteadyMilliseconds(History.Milliseconds(lines[..1], batch: 64)));
        Assert.Throws<BenchException>(() => History.Milliseconds(["step,loss", "1,0.5"], batch: 64).Count());
    }

    [Fact]
    public void An_epoch_has_the_steps_of_the_first_one()
    {
        string[] lines = ["step,epoch,loss", "1,1,0.5", "2,1,0.5", "3,2,0.5", "4,2,0.5", "5,3,0.5"];
        Assert.Equal(2, History.StepsPerEpoch(lines));
        Assert.Equal(2, History.StepsPerEpoch(lines[..4]));
        Assert.Throws<BenchException>(() => History.StepsPerEpoch(lines[..3]));
        Assert.Throws<BenchException>(() => History.StepsPerEpoch(["step,loss", "1,0.5"]));
    }

    [Fact]
    public void Messages_are_added_up_over_their_kinds()
    {
        const string Page = """
            # TYPE distributed_steps_total counter
            distributed_steps_total 40
            distributed_control_messages_total{direction="sent",message="Halt"} 2
            distributed_control_messages_total{direction="sent",message="BeginPlan"} 3
            distributed_control_messages_total{direction="received",message="RoundsApplied"} 7
            distributed_link_bytes_total{direction="sent"} 1000
            """;
        Assert.Equal(new(40, 5, 7), ControlCounts.Of(Page));
    }
}
