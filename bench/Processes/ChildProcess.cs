using System.Diagnostics;

namespace Distributed.Bench.Processes;

/// <param name="Arguments">Passed unchanged, without a shell.</param>
internal sealed record ChildCommand(string Program, params IReadOnlyList<string> Arguments)
{
    public static ChildCommand Dotnet(string dll, params IEnumerable<string> arguments) => new(Programs.Dotnet, [dll, .. arguments]);

    public override string ToString() => string.Join(' ', [Program, .. Arguments]);
}

/// <param name="Output">Lines of standard output.</param>
/// <param name="Memory">Peak resident memory of it and the processes that it started, if measured.</param>
internal sealed record ChildResult(IReadOnlyList<string> Output, PeakMemory? Memory);

internal static class ChildProcess
{
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(5);

    /// <exception cref="BenchException">The process failed or timed out.</exception>
    public static async Task<ChildResult> RunAsync(ChildCommand command, CancellationToken stopping, bool withMemory = false)
    {
        var start = new ProcessStartInfo(command.Program, command.Arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A developer's own settings must not change what is measured.
        foreach (var variable in new[] { "DISTRIBUTED_WORKER", "DISTRIBUTED_DATA" }) start.Environment.Remove(variable);
        using var process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(_timeout);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            var memory = withMemory ? await PeakMemory.WatchAsync(process, limit.Token).ConfigureAwait(false) : null;
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            var lines = (await output.ConfigureAwait(false)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var complaint = (await errors.ConfigureAwait(false)).Trim();
            if (process.ExitCode != 0) throw new BenchException($"'{command}' ended with exit code {process.ExitCode}: {complaint}");
            return new(lines, memory);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new BenchException($"'{command}' did not end within {_timeout.TotalMinutes} minutes");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>Runs several processes at the same time and returns their results in order; if one fails, the others are killed.</summary>
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
