using System.Text.RegularExpressions;
using Distributed.Bench.Measures;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Hosting.Processes;
using Spectre.Console;

namespace Distributed.Bench;

/// <summary>The command line of `peers`.</summary>
internal sealed record PeersArguments
{
    /// <summary>Where the rows go as JSON; null for nowhere.</summary>
    public string? Json { get; init; }

    /// <summary>Which measures; null for all.</summary>
    public string? Only { get; init; }

    /// <summary>How often each is repeated.</summary>
    public required int Repetitions { get; init; }

    /// <summary>Topology of the jobs.</summary>
    public required string Topology { get; init; }

    /// <summary>A Python that may have torch.</summary>
    public required string Python { get; init; }
}

/// <summary>Measures the project beside its peers, in the same run on the same machine.</summary>
internal static class PeersCommand
{
    /// <summary>Runs the measures one after the other.</summary>
    /// <returns>Exit code: 0 all were taken, 1 some failed, 2 bad input. Whether goals are met does not matter.</returns>
    public static async Task<int> RunAsync(PeersArguments arguments)
    {
        Measure[] measures;
        try
        {
            measures = [.. Measure.All.Where(measure => arguments.Only is null || Regex.IsMatch(measure.Name, arguments.Only))];
        }
        catch (RegexParseException error)
        {
            return CommandLine.Fail(CommandLine.BadInput, $"--only is '{arguments.Only}', which is no regular expression: {error.Message}");
        }
        if (measures.Length == 0)
            return CommandLine.Fail(CommandLine.BadInput, $"--only '{arguments.Only}' chooses none of the measures: {string.Join(", ", Measure.All.Select(measure => measure.Name))}");

        using var signals = new Signals(onInterrupt: true);
        try
        {
            // Now, not when the figures are there and have nowhere to go.
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
        var conditions = new Conditions
        {
            Repetitions = arguments.Repetitions,
            Topology = arguments.Topology,
            Peer = peer,
            Progress = Console.Error.WriteLine,
            Stopping = stopping,
        };
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
