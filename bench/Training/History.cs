using System.Globalization;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;

namespace Distributed.Bench.Training;

/// <summary>Reads the lines of a run's history.csv.</summary>
internal static class History
{
    /// <summary>The time of each step in milliseconds.</summary>
    public static IEnumerable<double> Milliseconds(IReadOnlyList<string> lines, int batch)
    {
        var column = ColumnOf("samples_per_second", lines);
        return lines.Skip(1).Select(line => 1000 * batch / double.Parse(line.Split(',')[column], CultureInfo.InvariantCulture));
    }

    /// <exception cref="BenchException">The second epoch has not begun.</exception>
    public static int StepsPerEpoch(IReadOnlyList<string> lines)
    {
        var column = ColumnOf("epoch", lines);
        var steps = lines.Skip(1).TakeWhile(line => line.Split(',')[column] == "1").Count();
        return steps < lines.Count - 1 ? steps : throw new BenchException("history.csv has no second epoch yet");
    }

    /// <summary>
    /// The median time of a step in the second half of a run: in its first seconds, code is compiled, memory is touched for the first time,
    /// and processes that start compete for processors.
    /// </summary>
    public static double SteadyMilliseconds(IEnumerable<double> milliseconds)
    {
        double[] all = [.. milliseconds];
        return all.Length > 0 ? Median.Of(all[(all.Length / 2)..]) : throw new BenchException("the run has no steps");
    }

    private static int ColumnOf(string name, IReadOnlyList<string> lines) =>
        lines.Count > 0 && Array.IndexOf(lines[0].Split(','), name) is >= 0 and var column ? column
            : throw new BenchException($"history.csv has no column {name}");
}
