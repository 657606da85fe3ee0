using System.Collections;
using System.CommandLine;
using Distributed.Jobs;

namespace Distributed.Hosting.Processes;

/// <summary>How every program of the project takes its command line.</summary>
internal static class CommandLine
{
    public const int BadInput = 2;

    private const int MaxReason = 16_384;

    /// <summary>Parses and runs; what cannot be understood is told, a line each, and nothing is run.</summary>
    /// <returns>The command's exit code, or <see cref="BadInput"/>.</returns>
    public static async Task<int> RunAsync(RootCommand root, IReadOnlyList<string> arguments)
    {
        Settings settings;
        try
        {
            settings = Settings.Of(root, arguments, Variables());
        }
        catch (SettingsException error)
        {
            return Fail(BadInput, error.Message);
        }
        foreach (var warning in settings.Warnings) Console.Error.WriteLine($"warning: {warning}");
        foreach (var error in settings.Errors) Console.Error.WriteLine($"error: {error}");
        if (settings.Parsed.Errors.Count > 0) return BadInput;
        // Signals are the commands' own business.
        var exitCode = await settings.Parsed.InvokeAsync(new() { ProcessTerminationTimeout = null }).ConfigureAwait(false);
        if (exitCode == BadInput && settings.Origins is { } origins) Console.Error.WriteLine($"note: given elsewhere than on the command line: {origins}");
        return exitCode;
    }

    /// <summary>Tells the reason of a failure the way that a supervisor finds it: the last line that begins with error.</summary>
    public static int Fail(int exitCode, string reason)
    {
        Console.Error.WriteLine($"error: {Shown.InFull(reason, MaxReason)}");
        return exitCode;
    }

    private static Dictionary<string, string> Variables() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "", StringComparer.Ordinal);
}
