using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Live;

public sealed class EventWindowTests
{
    private static readonly Gen<RunEvent> _anyEvent =
        from kind in Gen.Enum<RunEventKind>()
        from step in Gen.Long[0, 100]
        from text in Gen.String[0, 20]
        select new RunEvent { At = DateTimeOffset.UnixEpoch, Step = step, Kind = kind, Text = text };

    [Fact]
    public void The_window_is_bounded_and_ordered_and_holds_the_last_events_of_either_kind() =>
        Gen.Select(Gen.Int[1, 10], _anyEvent.Array[0, 60]).Sample((half, events) =>
        {
            var window = new EventWindow(2 * half);
            foreach (var happened in events) window.Add(happened);
            var numbered = events.Select((happened, i) => (Number: i + 1L, happened)).ToList();
            var (routine, rare) = (numbered.Where(e => IsRoutine(e.happened)), numbered.Where(e => !IsRoutine(e.happened)));
            var expected = routine.TakeLast(half).Concat(rare.TakeLast(half)).OrderBy(e => e.Number);
            Assert.Equal(expected.Select(e => (e.Number, e.happened.Text)), window.Since(0).Select(e => (e.Number, e.Text)));
            Assert.Equal(events.Length, window.Added);
            Assert.Empty(window.Since(window.Added));
        });

    [Fact]
    public void Routine_events_do_not_displace_rare_ones()
    {
        var window = new EventWindow(10);
        window.Add(new() { At = DateTimeOffset.UnixEpoch, Step = 1, Kind = RunEventKind.Lost, Worker = "a", Text = "a is lost" });
        for (var i = 0; i < 1000; i++) window.Add(
            new() { At = DateTimeOffset.UnixEpoch, Step = i, Kind = RunEventKind.Checkpoint, Text = "stored" });
        Assert.Equal(1, window.Since(0)[0].Number);
    }

    [Fact]
    public void A_long_text_is_cut()
    {
        var window = new EventWindow(2);
        window.Add(new() { At = DateTimeOffset.UnixEpoch, Step = 1, Kind = RunEventKind.Note, Text = new('x', 1_000_000) });
        Assert.Equal(new string('x', EventWindow.MaxText) + "…", Assert.Single(window.Since(0)).Text);
    }

    private static bool IsRoutine(RunEvent happened) => happened.Kind is RunEventKind.Checkpoint or RunEventKind.Generation;
}
