using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Observers;

/// <summary>
/// The last events of a run, in bounded memory. What comes again and again as it should has its own share of the
/// places, so that it does not displace what is rare.
/// </summary>
/// <param name="capacity">Events that it holds at most, of either kind a half.</param>
internal sealed class EventWindow(int capacity)
{
    /// <summary>Characters of an event's text; more are cut off.</summary>
    public const int MaxText = 500;

    private readonly Queue<LiveEvent> _routine = [];
    private readonly Queue<LiveEvent> _rare = [];

    /// <summary>Events added so far; the number of the last one.</summary>
    public long Added { get; private set; }

    public void Add(RunEvent happened)
    {
        var text = happened.Text.Length <= MaxText ? happened.Text : happened.Text[..MaxText] + "…";
        var places = happened.Kind is RunEventKind.Checkpoint or RunEventKind.Generation ? _routine : _rare;
        places.Enqueue(new(++Added, happened.At, happened.Step, happened.Kind, happened.Worker, text));
        if (places.Count > capacity / 2) places.Dequeue();
    }

    /// <summary>Those that are held and were added later, by number.</summary>
    /// <param name="number">Number of the last one that is left out; 0 for none.</param>
    public IReadOnlyList<LiveEvent> Since(long number) =>
        number == Added ? [] : [.. _routine.Concat(_rare).Where(held => held.Number > number).OrderBy(held => held.Number)];
}

/// <summary>An event, as the page gets it.</summary>
/// <param name="Number">From 1, in the order in which they happened.</param>
/// <param name="At">When.</param>
/// <param name="Step">Steps that were applied by then.</param>
/// <param name="Worker">The worker that it is about; null where it is about none.</param>
internal sealed record LiveEvent(long Number, DateTimeOffset At, long Step, RunEventKind Kind, string? Worker, string Text);
