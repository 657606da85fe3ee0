using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Live;

public sealed class CurveTests
{
    private static readonly Gen<double> _anyValue = Gen.OneOf(
        Gen.Double, Gen.Double[0, 3], Gen.OneOfConst(
            double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.MaxValue, double.MinValue, 0, double.Epsilon));

    private static readonly Gen<(int Capacity, double[] Values)> _anyCurve =
        Gen.Select(Gen.Int[1, 20].Select(half => 2 * half), _anyValue.Array[0, 400]);

    [Fact]
    public void A_curve_is_bounded_and_ordered_and_includes_every_value() => _anyCurve.Sample((capacity, values) =>
    {
        var curve = Of(capacity, values);
        Assert.InRange(curve.Points.Count, 0, capacity);
        Assert.Equal(values.Length, curve.Points.Sum(point => point.Count));
        Assert.Equal(curve.Points.Select(point => point.Step).Order().Distinct(), curve.Points.Select(point => point.Step));
        // All but the last are full, and with a capacity of 2 at least half of them are used.
        Assert.All(curve.Points.SkipLast(1), point => Assert.Equal(curve.Stride, point.Count));
        Assert.True(curve.Stride == 1 || curve.Points.Count > capacity / 2);
    });

    [Fact]
    public void A_point_is_the_mean_and_the_bounds_of_its_values() => _anyCurve.Sample((capacity, values) =>
    {
        var curve = Of(capacity, values);
        var first = 0;
        foreach (var point in curve.Points)
        {
            var own = values[first..(first += (int)point.Count)];
            Assert.Equal(Step(first - 1), point.Step);
            if (own.All(double.IsFinite))
            {
                Assert.Equal((own.Min(), own.Max()), (point.Min, point.Max));
                Assert.InRange(point.Mean, point.Min, point.Max);
                // As sums of halves, which do not overflow.
                var mean = own.Sum(value => value / own.Length);
                Assert.True(Math.Abs(mean - point.Mean) <= 1e-12 * own.Max(Math.Abs) + double.Epsilon * own.Length,
                    $"{mean} and {point.Mean}");
            }
            else
            {
                Assert.True(double.IsNaN(point.Mean) && double.IsNaN(point.Min) && double.IsNaN(point.Max));
            }
        }
    });

    [Fact]
    public void The_last_value_is_exact() => _anyCurve.Sample((capacity, values) =>
        Assert.Equal(values.Length == 0 ? null : (Step(values.Length - 1), values[^1]), Of(capacity, values).Last));

    [Fact]
    public void Reading_now_and_then_gives_the_same_as_reading_at_the_end() =>
        Gen.Select(_anyCurve, Gen.Bool.Array[400]).Sample((anyCurve, looks) =>
        {
            var (capacity, values) = anyCurve;
            var curve = new Curve(capacity);
            var follower = new CurveFollower();
            var seen = default(CurveCursor);
            for (var i = 0; i < values.Length; i++)
            {
                curve.Add(Step(i), values[i]);
                if (looks[i]) follower.Take(curve.Since(ref seen));
            }
            follower.Take(curve.Since(ref seen));
            Assert.Equal(curve.Points.Select(point => (point.Step, (float)point.Mean, (float)point.Min, (float)point.Max)),
                follower.Points);
            Assert.Null(curve.Since(ref seen));
        });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public void A_capacity_that_cannot_be_halved_is_refused(int capacity) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new Curve(capacity));

    /// <summary>With gaps, as between evaluations.</summary>
    private static long Step(int index) => 3 * index + 1;

    private static Curve Of(int capacity, double[] values)
    {
        var curve = new Curve(capacity);
        for (var i = 0; i < values.Length; i++) curve.Add(Step(i), values[i]);
        return curve;
    }
}
