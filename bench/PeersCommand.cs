using System.Text.RegularExpressions;
using Distributed.Bench.Measures;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Hosting.Processes;
using Spectre.Console;

namespace Distributed.Bench;

/// <param name="Json">The file for the rows as JSON; null for none.</param>
/// <param name="Only">A regular expression of the measures; null for all.</param>
/// <param name="Python">A Python interpreter that may have torch.</param>
internal sealed record PeersArguments(string? Json, string? Only, int Repetitions, string Topology, string Python);

/// <summary>Measures the project and its peers in the same run on the same machine.</summary>
internal static class PeersCommand
{
    /// <returns>Exit code: 0 if every measure was taken, whether or not it meets its goal; 1 if some failed; 2 for bad input.</returns>
    public static async Task<int> RunAsync(PeersArguments arguments)
    {
        Measure[] measures;
        try
        {
            measures = [.. Measure.All.Where(measure => arguments.Only is null || Regex.IsMatch(measure.Name, arguments.Only))];
        }
        catch (RegexParseException error)
        {
            return CommandLine.Fail(CommandLine.BadInput, $"--only '{arguments.Only}' is not a regular expression: {error.Message}");
        }
        if (measures.Length == 0)
        {
            var all = string.Join(", ", Measure.All.Select(measure => measure.Name));
            return CommandLine.Fail(CommandLine.BadInput, $"--only '{arguments.Only}' matches no measure; allowed: {all}");
        }

        using var signals = new Signals(onInterrupt: true);
        try
        {
            // Before measuring, so that an unusable path fails at once.
            if (arguments.Json is { } file) Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
            var report = await MeasureAsync(measures, arguments, signals.Stopping).ConfigureAwait(false);
            ReportTable.Write(report, AnsiConsole.Console);
            if (arguments.Json is { } path) await File.WriteAllTextAsync(path, report.ToJson(), signals.Stopping).ConfigureAwait(false);
            return report.Rows.Any(row => row.Failure is not null) ? 1 : 0;
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return CommandLine.Fail(1, "interrupted");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static async Task<Report> MeasureAsync(Measure[] measures, PeersArguments arguments, CancellationToken stopping)
    {
        var peer = await DdpGloo.FindAsync(arguments.Python, stopping).ConfigureAwait(false);
        var machine = Machine.Here(peer?.Version);
        var conditions = new Conditions(arguments.Repetitions, arguments.Topology, peer, Console.Error.WriteLine, stopping);
        var rows = new List<Row>();
        foreach (var measure in measures)
        {
            try
            {
                rows.AddRange(await measure.RunAsync(conditions).ConfigureAwait(false));
            }
            catch (BenchException error)
            {
                await Console.Error.WriteLineAsync($"error: {measure.Name}: {error.Message}").ConfigureAwait(false);
                rows.Add(new() { Measure = measure.Name, Failure = error.Message });
            }
        }
        return new(machine, rows);
    }
}
