using System.Diagnostics;

namespace Distributed.Bench.Processes;

/// <summary>How a process is started.</summary>
/// <param name="Program">An executable's path.</param>
/// <param name="Arguments">Passed as they are; no shell takes part.</param>
internal sealed record ChildCommand(string Program, params IReadOnlyList<string> Arguments)
{
    /// <summary>One of the programs of this build.</summary>
    public static ChildCommand Dotnet(string dll, params IEnumerable<string> arguments) => new(Programs.Dotnet, [dll, .. arguments]);

    /// <inheritdoc/>
    public override string ToString() => string.Join(' ', [Program, .. Arguments]);
}

/// <summary>What a process has come to.</summary>
/// <param name="Output">Lines of standard output.</param>
/// <param name="Memory">Peak resident memory of it and the processes that it started, if this was asked for.</param>
internal sealed record ChildResult(IReadOnlyList<string> Output, PeakMemory? Memory);

/// <summary>Processes that do a measure's work.</summary>
internal static class ChildProcess
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    /// <summary>Runs a process to its end.</summary>
    /// <exception cref="BenchException">It failed, or took longer than five minutes.</exception>
    public static async Task<ChildResult> RunAsync(ChildCommand command, CancellationToken stopping, bool withMemory = false)
    {
        var start = new ProcessStartInfo(command.Program, command.Arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        // What a developer has set for runs of their own is not what is measured.
        foreach (var variable in new[] { "DISTRIBUTED_WORKER", "DISTRIBUTED_DATA" }) start.Environment.Remove(variable);
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(_patience);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            var memory = withMemory ? await PeakMemory.WatchAsync(process, limit.Token).ConfigureAwait(false) : null;
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            var lines = (await output.ConfigureAwait(false)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var wrong = await errors.ConfigureAwait(false);
            return process.ExitCode == 0 ? new(lines, memory) : throw new BenchException($"'{command}' ended with exit code {process.ExitCode}: {wrong.Trim()}");
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new BenchException($"'{command}' did not end within {_patience.TotalMinutes} minutes");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>Runs several at the same time; when one fails, the others are ended.</summary>
    /// <returns>Their results, in the order of the commands.</returns>
    /// <exception cref="BenchException">As for one.</exception>
    public static async Task<IReadOnlyList<ChildResult>> RunTogetherAsync(IEnumerable<ChildCommand> commands, CancellationToken stopping)
    {
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        return await Task.WhenAll(commands.Select(async command =>
        {
            try
            {
                return await RunAsync(command, failed.Token).ConfigureAwait(false);
            }
            catch (BenchException)
            {
                await failed.CancelAsync().ConfigureAwait(false);
                throw;
            }
        })).ConfigureAwait(false);
    }
}
