using System.Globalization;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;

namespace Distributed.Bench.Training;

/// <summary>The history that a run has left.</summary>
internal static class History
{
    /// <summary>The time of each step in milliseconds.</summary>
    /// <param name="lines">Of history.csv.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <exception cref="BenchException">It has no such column.</exception>
    public static IEnumerable<double> Milliseconds(IReadOnlyList<string> lines, int batch)
    {
        var column = ColumnOf("samples_per_second", lines);
        return lines.Skip(1).Select(line => 1000 * batch / double.Parse(line.Split(',')[column], CultureInfo.InvariantCulture));
    }

    /// <summary>The steps of an epoch, once the first is over.</summary>
    /// <param name="lines">Of history.csv.</param>
    /// <exception cref="BenchException">It has no such column, or no second epoch yet.</exception>
    public static int StepsPerEpoch(IReadOnlyList<string> lines)
    {
        var column = ColumnOf("epoch", lines);
        var steps = lines.Skip(1).TakeWhile(line => line.Split(',')[column] == "1").Count();
        return steps < lines.Count - 1 ? steps : throw new BenchException("history.csv has no second epoch yet");
    }

    /// <summary>
    /// The median time of a step in the second half of a run: in its first seconds code is compiled, memory touched for the first
    /// time, and every process that starts takes a processor from those that train.
    /// </summary>
    /// <exception cref="BenchException">There are no steps.</exception>
    public static double SteadyMilliseconds(IEnumerable<double> milliseconds)
    {
        double[] all = [.. milliseconds];
        return all.Length > 0 ? Median.Of(all[(all.Length / 2)..]) : throw new BenchException("the run has no steps");
    }

    private static int ColumnOf(string name, IReadOnlyList<string> lines) =>
        lines.Count > 0 && Array.IndexOf(lines[0].Split(','), name) is >= 0 and var column ? column : throw new BenchException($"history.csv has no column {name}");
}
