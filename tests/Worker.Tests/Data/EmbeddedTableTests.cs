using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class EmbeddedTableTests
{
    [Fact]
    public void The_cell_nuclei_are_complete_and_standardized_by_the_training_rows()
    {
        var data = DataSets.Load("breast-cancer", new DataOptions());
        Assert.Equal((456, 113), (data.Train.Count, data.Test.Count));
        Assert.Equal(new ArrayFormat([30], 2), DataSets.FormatOf("breast-cancer"));
        Assert.Equal(data.Train.Format, DataSets.FormatOf("breast-cancer"));
        Assert.Equal(["malignant", "benign"], DataSets.Describe("breast-cancer").Classes);
        var (train, classes) = Rows(data.Train);
        var (_, others) = Rows(data.Test);
        // 212 malignant and 357 benign ones, as the file's own header and its documentation say.
        Assert.Equal((357, 569), ((int)(classes.Sum() + others.Sum()), classes.Length + others.Length));
        for (var column = 0; column < 30; column++)
        {
            var values = Enumerable.Range(0, data.Train.Count).Select(row => (double)train[(row * 30) + column]).ToList();
            Assert.Equal(0, values.Average(), 1e-5);
            Assert.Equal(1, values.Average(value => value * value), 1e-4);
        }
    }

    [Fact]
    public void The_fingerprint_is_the_same_on_every_machine() =>
        Assert.Equal("a9071ea96892475a3d2ef173f0901f48", DataSets.Load("breast-cancer", new DataOptions()).Fingerprint);

    [Fact]
    public void Every_fifth_row_is_a_test_row_and_does_not_affect_the_scale() =>
        Gen.Select(Gen.Double[-1000, 1000].Array[2, 2].Array[5, 40], Gen.Int[0, 1].Array[40]).Sample((rows, classes) =>
        {
            var data = Of(rows, classes).ToDataSet("some");
            var others = rows.Select((row, i) => i % 5 == 4 ? [1e6, -1e6] : row).ToArray();
            Assert.Equal(rows.Length / 5, data.Test.Count);
            Assert.Equal(rows.Length, data.Train.Count + data.Test.Count);
            Assert.Equal(Rows(data.Train).Values, Rows(Of(others, classes).ToDataSet("some").Train).Values);
            Assert.Equal(classes.Take(rows.Length).Where((_, i) => i % 5 == 4).Select(c => (float)c), Rows(data.Test).Targets);
        });

    [Fact]
    public void A_constant_column_becomes_0() =>
        Assert.All(Rows(Of([.. Enumerable.Range(0, 10).Select(i => new double[] { 7, i })], new int[10])
            .ToDataSet("some").Train).Values.Where((_, i) => i % 2 == 0), value => Assert.Equal(0, value));

    [Fact]
    public void A_malformed_table_is_rejected()
    {
        Assert.Throws<DataException>(() => Set([], [], 0));
        Assert.Throws<DataException>(() => Set([1, 2, 3], [0, 1], 1));
        Assert.Throws<DataException>(() => Set([1, 2], [0, 2], 1));
        Assert.Throws<DataException>(() => Set([1, 2], [0, 0.5f], 1));
        Assert.Throws<DataException>(() => Set([1, 2], [0, float.NaN], 1));
        Assert.Throws<DataException>(() => Of([[1.0, 2.0]], [0]).ToDataSet("some"));
    }

    private static ArraySet Set(float[] values, float[] targets, int columns) => new(values, targets, new([columns], 2));

    private static Table Of(double[][] rows, int[] classes) =>
        new([.. rows.SelectMany(row => row)], [.. classes.Take(rows.Length).Select(c => (double)c)], 2);

    private static (float[] Values, float[] Targets) Rows(SampleSet set)
    {
        var (values, targets) = (new float[set.Count * set.Format.SampleSize], new float[set.Count]);
        set.CopyTo([.. Enumerable.Range(0, set.Count)], values, targets);
        return (values, targets);
    }
}
