using System.Runtime.InteropServices;
using Distributed.Coordinator.Commands;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Tests.Inspection;

public sealed class TensorSummaryTests
{
    private static readonly Gen<float> _anyFloat =
        Gen.OneOf(Gen.Float, Gen.OneOfConst(float.NaN, float.PositiveInfinity, float.NegativeInfinity), Gen.Float[-1, 1]);

    [Fact]
    public void The_numbers_are_of_the_finite_elements() =>
        _anyFloat.Array[0, 50].Sample(values =>
        {
            var summary = TensorSummary.Of(new("w", "F32", [values.Length], MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));
            double[] finite = [.. values.Where(float.IsFinite).Select(value => (double)value)];
            Assert.Equal((values.Length, 4L * values.Length), (summary.Elements, summary.Bytes));
            Assert.Equal(values.Count(float.IsNaN), summary.Nan);
            Assert.Equal(values.Count(float.IsInfinity), summary.Infinite);
            if (finite.Length == 0)
            {
                Assert.Equal((null, null, null, null), (summary.Min, summary.Max, summary.Mean, summary.Std));
                return;
            }
            var mean = finite.Average();
            var std = Math.Sqrt(finite.Average(value => (value - mean) * (value - mean)));
            var tolerance = 1e-9 * finite.Max(Math.Abs);
            Assert.Equal((finite.Min(), finite.Max()), (summary.Min, summary.Max));
            Assert.InRange(summary.Mean!.Value, mean - tolerance, mean + tolerance);
            Assert.InRange(summary.Std!.Value, std - tolerance, std + tolerance);
        });

    [Theory]
    [InlineData("F64", "000000000000f8bf0000000000000440", -1.5, 2.5)]
    [InlineData("F32", "0000c0bf00002040", -1.5, 2.5)]
    [InlineData("F16", "00be0041", -1.5, 2.5)]
    [InlineData("BF16", "c0bf2040", -1.5, 2.5)]
    public void Every_kind_of_float_is_read(string dtype, string bytes, double min, double max)
    {
        var summary = TensorSummary.Of(new("w", dtype, [2], Convert.FromHexString(bytes)));
        Assert.Equal((min, max, (min + max) / 2, (max - min) / 2), (summary.Min, summary.Max, summary.Mean, summary.Std));
    }

    [Fact]
    public void Other_types_have_only_a_size()
    {
        foreach (var (dtype, size) in Safetensors.ElementSizes.Where(kind => kind.Key is not ("F64" or "F32" or "F16" or "BF16")))
        {
            var summary = TensorSummary.Of(new("n", dtype, [3], new byte[3 * size]));
            Assert.Equal((3L, 3L * size, null, 0L), (summary.Elements, summary.Bytes, summary.Min, summary.Nan));
        }
    }
}
