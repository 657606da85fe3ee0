using Distributed.Coordinator.Runs;
using Spectre.Console;

namespace Distributed.Coordinator.Observers;

internal static class ProgressView
{
    /// <returns>
    /// A live display where <paramref name="console"/> is a terminal that can redraw itself, else plain lines, as suits a file or a pipe.
    /// </returns>
    public static IProgressView Create(IAnsiConsole console, TimeProvider? time = null) =>
        console.Profile.Out.IsTerminal && console.Profile.Capabilities.Ansi
            ? new TerminalProgress(console)
            : new PlainProgress(console.Profile.Out.Writer, time ?? TimeProvider.System);
}
