using System.CommandLine;

namespace Distributed.Shared.Processes;

/// <summary>How every program of the project takes its command line.</summary>
public static class CommandLine
{
    /// <summary>Exit code of bad input.</summary>
    public const int BadInput = 2;

    /// <summary>Parses and runs; what cannot be understood is told, a line each, and nothing is run.</summary>
    /// <returns>The command's exit code, or <see cref="BadInput"/>.</returns>
    public static async Task<int> RunAsync(RootCommand root, IReadOnlyList<string> arguments)
    {
        var parsed = root.Parse(arguments);
        // Signals are the commands' own business.
        if (parsed.Errors.Count == 0) return await parsed.InvokeAsync(new() { ProcessTerminationTimeout = null }).ConfigureAwait(false);
        foreach (var error in parsed.Errors) Console.Error.WriteLine($"error: {error.Message}");
        return BadInput;
    }

    /// <summary>Tells the reason of a failure the way that a supervisor finds it: the last line that begins with error.</summary>
    /// <returns>The exit code.</returns>
    public static int Fail(int exitCode, string reason)
    {
        Console.Error.WriteLine($"error: {reason}");
        return exitCode;
    }
}
