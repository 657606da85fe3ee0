using Distributed.Coordinator.Runs;
using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Observers;

/// <summary>
/// Redraws the state of the training at the bottom of a terminal; messages scroll by above it. What was drawn last stays on
/// the screen when this is disposed.
/// </summary>
internal sealed class TerminalProgress : IProgressView
{
    private readonly Lock _lock = new();
    private readonly IAnsiConsole _console;
    private readonly TaskCompletionSource _end = new();
    private readonly Task _display;
    private LiveDisplayContext? _live;
    private bool _disposed;

    /// <summary>Begins to draw on <paramref name="console"/>, which no other live display may use meanwhile.</summary>
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
            if (!_disposed)
                _live?.UpdateTarget(ProgressLayout.Render(p, _console.Profile));
        }
    }

    public void Message(string line)
    {
        // Plain text: a message may hold brackets, which would be markup.
        lock (_lock)
            _console.WriteLine(Shown.InFull(line));
    }

    /// <summary>Ends the live display and gives the cursor back.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            _end.SetResult();
        }
        _display.GetAwaiter().GetResult();
    }
}
