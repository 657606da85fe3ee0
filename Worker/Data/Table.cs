using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// Rows of numbers as they were read. As a data set, columns are standardized: less the mean of the training rows, over their standard
/// deviation. So are targets that are no classes.
/// </summary>
/// <param name="Values">Row after row.</param>
/// <param name="Targets">The class of each row, or its number.</param>
/// <param name="Classes">Number of classes; 0 where targets are any numbers.</param>
internal sealed record Table(IReadOnlyList<double> Values, IReadOnlyList<double> Targets, int Classes)
{
    /// <summary>One row of so many is a test sample.</summary>
    public const int TestEvery = 5;

    private int Columns => Values.Count / Targets.Count;

    /// <summary>As a data set of which every row whose number % <see cref="TestEvery"/> is one less than that is a test sample.</summary>
    /// <exception cref="DataException">There are too few rows, or a target is no class.</exception>
    public DataSet ToDataSet(string name) => Targets.Count < TestEvery
        ? throw new DataException($"{name}: has {Targets.Count} rows; at least {TestEvery} are needed for a training and a test set.")
        : ToDataSet(name, Split.Every(Targets.Count, TestEvery));

    /// <exception cref="DataException">A target is no class.</exception>
    public DataSet ToDataSet(string name, Split split)
    {
        var scales = Enumerable.Range(0, Columns).Select(column => Scale.Of(split.Train.Select(row => Values[(row * Columns) + column]))).ToArray();
        var target = Classes > 0 ? Scale.None : Scale.Of(split.Train.Select(row => Targets[row]));
        return new(name, Set(split.Train), Set(split.Test));

        TableSet Set(IEnumerable<int> rows)
        {
            List<float> values = [], targets = [];
            foreach (var row in rows)
            {
                for (var column = 0; column < Columns; column++) values.Add(scales[column].Apply(Values[(row * Columns) + column]));
                targets.Add(target.Apply(Targets[row]));
            }
            return new([.. values], [.. targets], Classes);
        }
    }

    /// <summary>Where a column's values lie, and how far apart.</summary>
    private readonly record struct Scale(double Mean, double Deviation)
    {
        public static Scale None { get; } = new(0, 1);

        /// <summary>A column that is always the same stays so, at 0.</summary>
        public static Scale Of(IEnumerable<double> values)
        {
            var all = values.ToList();
            var mean = all.Sum() / all.Count;
            var deviation = Math.Sqrt(all.Sum(value => (value - mean) * (value - mean)) / all.Count);
            return new(mean, deviation > 0 ? deviation : 1);
        }

        public float Apply(double value) => (float)((value - Mean) / Deviation);
    }
}
