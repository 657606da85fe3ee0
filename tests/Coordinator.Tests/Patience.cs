using System.Threading.Channels;
using Distributed.Shared.Tests;

namespace Distributed.Coordinator.Tests;

/// <summary>How long anything may take before a test gives up: a failure, never a measurement.</summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task Soon(this Task task) => task.WaitAsync(Limit);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit);

    public static Task<T> NextAsync<T>(this ChannelReader<T> channel) => channel.ReadAsync().AsTask().Soon();

    /// <summary>Waits for a line with this in it.</summary>
    public static Task WhenContainsAsync(this LogLines log, string part) =>
        UntilAsync(() => log.Lines.Any(line => line.Contains(part, StringComparison.Ordinal)));

    /// <summary>Waits for what nobody tells.</summary>
    public static async Task UntilAsync(Func<bool> isSo)
    {
        using var overdue = new CancellationTokenSource(Limit);
        while (!isSo())
        {
            overdue.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
