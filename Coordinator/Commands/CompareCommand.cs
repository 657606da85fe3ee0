using System.CommandLine;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

/// <summary>Puts finished runs side by side: how fast they learned, and what came of it.</summary>
internal static class CompareCommand
{
    /// <summary>More colours than these cannot be told apart.</summary>
    private const int MaxRuns = 10;

    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var runs = new Argument<string[]>("RUN") { Description = "Folders of finished runs.", Arity = ArgumentArity.OneOrMore };
        var picture = new Option<string>("--out") { Description = "The picture.", DefaultValueFactory = _ => "compare.png" };
        runs.Validators.Add(result =>
        {
            if (result.Tokens.Count > MaxRuns) result.AddError($"{result.Tokens.Count} runs are given; allowed: 1 to {MaxRuns}");
            if (result.Tokens.FirstOrDefault(token => token.Value.StartsWith('-')) is { } unknown)
                result.AddError($"{unknown.Value} is no option of compare; --help lists them");
        });
        var command = new Command("compare",
            "Draws the training loss of finished runs over the samples that they used, and lists what came of each. "
            + "Exit code 1: the picture cannot be written; 2: there is no such run. Example: compare runs/one runs/other --out compare.png")
        {
            runs, picture,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(runs), parsed.GetRequiredValue(picture)));
        return command;
    }

    private static int Run(string[] folders, string picture)
    {
        ComparedRun[] runs;
        try
        {
            string[] names = [.. folders.Select(NameOf)];
            // Folders of one name are told apart by their paths.
            runs = [.. folders.Select((folder, i) => ComparedRun.Read(folder, names.Count(name => name == names[i]) == 1 ? names[i] : folder))];
        }
        catch (Exception error) when (error is RunFolderException or JobException or IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        foreach (var damage in runs.Select(run => run.Damage).OfType<string>()) Console.Error.WriteLine($"warning: {damage}");
        PlainTable.Console().Write(ComparisonTable.Of(runs));
        try
        {
            ComparisonPlot.Save(picture, runs);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(1, $"'{picture}' cannot be written: {error.Message}");
        }
        Console.WriteLine($"Picture: {Path.GetFullPath(picture)}");
        return 0;
    }

    private static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
}
