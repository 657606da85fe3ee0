using Distributed.Core;
using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

// Rows of numbers as read. A data set has them standardized: minus the mean of the training rows, divided by their standard deviation.
// So are targets if there are no classes.
internal sealed record Table(IReadOnlyList<double> Values, IReadOnlyList<double> Targets, int Classes)
{
    private const int TestEvery = 5;

    private int Columns => Values.Count / Targets.Count;

    public DataSet ToDataSet(string name) => Targets.Count < TestEvery
        ? throw new DataException($"{name}: has {Targets.Count} rows; at least {TestEvery} are needed for a training and a test set.")
        : ToDataSet(name, Split.Every(Targets.Count, TestEvery));

    public DataSet ToDataSet(string name, Split split)
    {
        var scales = Enumerable.Range(0, Columns)
            .Select(column => Scale.Of(split.Train.Select(row => Values[(row * Columns) + column]))).ToArray();
        Scale target = Classes > 0 ? new(0, 1) : Scale.Of(split.Train.Select(row => Targets[row]));
        return new(name, Set(split.Train), Set(split.Test));

        ArraySet Set(IEnumerable<int> rows)
        {
            List<float> values = [], targets = [];
            foreach (var row in rows)
            {
                for (var column = 0; column < Columns; column++) values.Add(scales[column].Apply(Values[(row * Columns) + column]));
                targets.Add(target.Apply(Targets[row]));
            }
            return new(values.ToArray(), targets.ToArray(), new([Columns], Classes));
        }
    }

    private readonly record struct Scale(double Mean, double Deviation)
    {
        public static Scale Of(IEnumerable<double> values)
        {
            var all = values.ToList();
            var mean = all.Sum() / all.Count;
            var deviation = Math.Sqrt(all.Sum(value => (value - mean) * (value - mean)) / all.Count);
            // A constant column becomes 0.
            return new(mean, deviation > 0 ? deviation : 1);
        }

        public float Apply(double value) => (float)((value - Mean) / Deviation);
    }
}

/// <summary>Numbers of the training and of the test samples, each in ascending order; together all samples.</summary>
internal sealed record Split(IReadOnlyList<int> Train, IReadOnlyList<int> Test)
{
    // No epoch has this number, so that the split is independent of the order in every epoch.
    private const int SplitNumber = -1;

    /// <summary>The last of each group of <paramref name="each"/> samples is a test sample.</summary>
    public static Split Every(int count, int each) => By(count, sample => sample % each == each - 1);

    /// <summary>The first <paramref name="train"/> samples are for training.</summary>
    public static Split At(int train, int count) => By(count, sample => sample >= train);

    /// <summary>Draws test samples by a seed: the same on every machine.</summary>
    /// <param name="share">The test set's share, between 0 and 1; each set gets at least one sample.</param>
    public static Split ByShare(int count, double share, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 2);
        var tests = Math.Clamp((int)Math.Round(count * share), 1, count - 1);
        var isTest = new bool[count];
        foreach (var sample in Permutation.Of(count, seed, SplitNumber).AsSpan(0, tests)) isTest[sample] = true;
        return By(count, sample => isTest[sample]);
    }

    public static Split Draw(OwnData data, int count, long seed) => count >= 2
        ? ByShare(count, data.Test ?? OwnData.DefaultTest, seed)
        : throw new DataException($"{data.Path} has one sample; a training and a test set need at least 2.");

    /// <summary>Copies samples of <paramref name="size"/> values each, in the given order.</summary>
    public static T[] Gather<T>(ReadOnlySpan<T> all, int size, IReadOnlyList<int> samples)
    {
        var values = new T[samples.Count * size];
        for (var i = 0; i < samples.Count; i++) all.Slice(samples[i] * size, size).CopyTo(values.AsSpan(i * size));
        return values;
    }

    /// <summary>A user's data set: with a test set of its own, or else one that the job's seed draws.</summary>
    public static DataSet DataSetOf<TSet>(OwnData data, long seed, TSet all, TSet? test, Func<TSet, IReadOnlyList<int>, TSet> select)
        where TSet : SampleSet
    {
        if (test is not null) return new(data.Name, all, test);
        var split = Draw(data, all.Count, seed);
        return new(data.Name, select(all, split.Train), select(all, split.Test));
    }

    private static Split By(int count, Predicate<int> isTest)
    {
        var all = Enumerable.Range(0, count).ToLookup(sample => isTest(sample));
        return new([.. all[false]], [.. all[true]]);
    }
}

// Tables within this program (see Embedded/README.md): a line of names, then rows of numbers, of which the last is the target.
internal static class EmbeddedTable
{
    /// <summary>30 measurements of cell nuclei; malignant (0) or benign (1) tumour: 569 rows (Wolberg et al., 1995).</summary>
    public static DataSource BreastCancer { get; } = Of("breast-cancer", "breast_cancer.csv.gz", 30, "malignant", "benign");

    /// <summary>10 measurements of patients; progress of their diabetes after a year: 442 rows (Efron et al., 2004).</summary>
    public static DataSource Diabetes { get; } = Of("diabetes", "diabetes.csv.gz", 10);

    private static DataSource Of(string name, string resource, int columns, params string[] classes) => DataSource.Known(
        name, new ArrayFormat([columns], classes.Length), _ => Read(resource, columns, classes.Length).ToDataSet(name), classes);

    private static Table Read(string resource, int columns, int classes)
    {
        using var text = CsvFile.OpenEmbedded(resource);
        List<double> values = [], targets = [];
        foreach (var row in CsvFile.Read(text, resource, columns + 1, skip: 1))
            for (var column = 0; column <= columns; column++)
                (column < columns ? values : targets).Add(row.Number<double>(resource, column, double.IsFinite, "a number is expected"));
        return new(values, targets, classes);
    }
}
