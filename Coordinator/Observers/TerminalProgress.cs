using Distributed.Coordinator.Runs;
using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Observers;

/// <summary>Redraws the state of the training below the messages on a terminal. The last state stays on the screen.</summary>
internal sealed class TerminalProgress : IProgressView
{
    private readonly Lock _lock = new();
    private readonly IAnsiConsole _console;
    private readonly TaskCompletionSource _end = new();
    private readonly Task _display;
    private LiveDisplayContext? _live;
    private bool _disposed;

    public TerminalProgress(IAnsiConsole console)
    {
        _console = console;
        _display = console.Live(new Text("")).Overflow(VerticalOverflow.Ellipsis).StartAsync(live =>
        {
            _live = live;
            return _end.Task;
        });
    }

    public void Update(TrainingProgress p)
    {
        lock (_lock)
        {
            if (!_disposed) _live?.UpdateTarget(ProgressLayout.Render(p, _console.Profile));
        }
    }

    public void Message(string line)
    {
        // As plain text: brackets would be markup.
        lock (_lock) _console.WriteLine(Shown.InFull(line));
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            _end.SetResult();
        }
        _display.GetAwaiter().GetResult();
    }
}

internal static class ProgressView
{
    /// <returns>A live display on a terminal that can redraw itself, else plain lines.</returns>
    public static IProgressView Create(IAnsiConsole console) =>
        console.Profile.Out.IsTerminal && console.Profile.Capabilities.Ansi
            ? new TerminalProgress(console)
            : new PlainProgress(console.Profile.Out.Writer, TimeProvider.System);
}
