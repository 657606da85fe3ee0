using System.ComponentModel;
using System.Net.Sockets;
using System.Text.Json;
using Distributed.Coordinator.Chaos;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Jobs;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>Turns the failure of a command into one line and an exit code: 1 for a failure, 2 for bad input.</summary>
internal static class Failures
{
    private sealed class InputException(string message) : Exception(message);

    /// <summary>Reads what the user names: every failure of it is bad input.</summary>
    public static T Input<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (IsBadInput(error) || IsFailure(error))
        {
            throw new InputException(error.Message);
        }
    }

    public static async Task<int> ReportAsync(Func<Task<int>> run)
    {
        try
        {
            return await run().ConfigureAwait(false);
        }
        catch (ChaosException error)
        {
            return CommandLine.Fail(error.ExitCode, error.Message);
        }
        catch (Exception error) when (IsBadInput(error))
        {
            return CommandLine.Fail(CommandLine.BadInput, error.Message);
        }
        catch (Exception error) when (IsFailure(error))
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    /// <summary>Also cancels the command at Ctrl-C and SIGTERM, and then reports <paramref name="interrupted"/>.</summary>
    public static async Task<int> ReportAsync(string interrupted, Func<CancellationToken, Task<int>> run)
    {
        using var signals = new Signals(onInterrupt: true);
        try
        {
            return await ReportAsync(() => run(signals.Stopping)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return CommandLine.Fail(1, interrupted);
        }
    }

    private static bool IsBadInput(Exception error) =>
        error is InputException or JobException or CertificateException or JoinTokenException;

    private static bool IsFailure(Exception error) => error is RunFailedException or RunFolderException or CheckpointException
        or IOException or UnauthorizedAccessException or SocketException or Win32Exception or FormatException or JsonException;
}
