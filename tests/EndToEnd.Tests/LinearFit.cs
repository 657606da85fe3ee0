using Distributed.Worker.Abstractions;

namespace Distributed.EndToEnd.Tests;

/// <summary>A linear fit of the training samples, which a network must beat.</summary>
internal static class LinearFit
{
    /// <summary>R² of the least squares fit, by the normal equations, on the test samples.</summary>
    public static double R2(DataSet data)
    {
        var (train, targets) = Rows(data.Train);
        var size = train[0].Length;
        var equations = Enumerable.Range(0, size)
            .Select(i => Enumerable.Range(0, size).Select(j => train.Sum(row => row[i] * row[j]))
            .Append(train.Zip(targets, (row, t) => row[i] * t).Sum()).ToArray()).ToArray();
        for (var i = 0; i < size; i++)
        {
            // Positive definite, so that no pivot is near 0.
            for (var j = 0; j < size; j++)
            {
                if (i == j) continue;
                var factor = equations[j][i] / equations[i][i];
                equations[j] = [.. equations[j].Zip(equations[i], (x, y) => x - (factor * y))];
            }
        }
        var weights = equations.Select((row, i) => row[size] / row[i]).ToArray();
        var (test, actual) = Rows(data.Test);
        var mean = actual.Average();
        return 1 - (test.Zip(actual, (row, t) => Math.Pow(t - row.Zip(weights, (x, w) => x * w).Sum(), 2))
            .Sum() / actual.Sum(t => (t - mean) * (t - mean)));
    }

    private static (double[][] Rows, double[] Targets) Rows(SampleSet set)
    {
        var (values, targets) = (new float[set.Count * set.Format.SampleSize], new float[set.Count]);
        set.CopyTo([.. Enumerable.Range(0, set.Count)], values, targets);
        // A column of ones, whose weight is the intercept.
        return ([.. values.Chunk(set.Format.SampleSize).Select(row => row.Select(x => (double)x).Append(1).ToArray())],
            [.. targets.Select(t => (double)t)]);
    }
}
