using System.Collections;
using System.CommandLine;
using System.Runtime.InteropServices;
using Distributed.Jobs;
using Microsoft.Extensions.Hosting;

namespace Distributed.Hosting.Processes;

internal static class CommandLine
{
    public const int BadInput = 2;

    private const int MaxReason = 16_384;

    /// <summary>Parses and runs. If there are errors, it prints each on a line and runs nothing.</summary>
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
        // The commands handle signals themselves.
        var exitCode = await settings.Parsed.InvokeAsync(new() { ProcessTerminationTimeout = null }).ConfigureAwait(false);
        if (exitCode == BadInput && settings.Origins is { } origins)
            Console.Error.WriteLine($"note: given elsewhere than on the command line: {origins}");
        return exitCode;
    }

    /// <summary>Prints the reason of a failure where a supervisor finds it: on the last line that begins with error.</summary>
    public static int Fail(int exitCode, string reason)
    {
        Console.Error.WriteLine($"error: {Shown.InFull(reason, MaxReason)}");
        return exitCode;
    }

    private static Dictionary<string, string> Variables() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "", StringComparer.Ordinal);
}

internal sealed class Signals : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <param name="onInterrupt">Whether Ctrl-C cancels; otherwise it is ignored.</param>
    public Signals(bool onInterrupt)
    {
        Register(PosixSignal.SIGINT, onInterrupt);
        Register(PosixSignal.SIGTERM, true);
    }

    public CancellationToken Stopping => _stopping.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _stopping.Dispose();
    }

    private void Register(PosixSignal signal, bool cancels) => _registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        if (cancels) _stopping.Cancel();
    }));
}

/// <summary>Keeps a host from handling Ctrl-C and SIGTERM, which are for the process as a whole.</summary>
internal sealed class NoSignals : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
