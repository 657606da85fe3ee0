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
    public void It_is_bounded_and_in_order_and_holds_the_last_of_either_kind() => Gen.Select(Gen.Int[1, 10], _anyEvent.Array[0, 60]).Sample((half, events) =>
    {
        var window = new EventWindow(2 * half);
        foreach (var happened in events) window.Add(happened);
        var numbered = events.Select((happened, i) => (Number: i + 1L, happened)).ToList();
        var expected = numbered.Where(e => IsRoutine(e.happened)).TakeLast(half).Concat(numbered.Where(e => !IsRoutine(e.happened)).TakeLast(half)).OrderBy(e => e.Number);
        Assert.Equal(expected.Select(e => (e.Number, e.happened.Text)), window.Since(0).Select(e => (e.Number, e.Text)));
        Assert.Equal(events.Length, window.Added);
        Assert.Empty(window.Since(window.Added));
    });

    [Fact]
    public void What_happens_all_the_time_does_not_displace_what_is_rare()
    {
        var window = new EventWindow(10);
        window.Add(new() { At = DateTimeOffset.UnixEpoch, Step = 1, Kind = RunEventKind.Lost, Worker = "a", Text = "a is lost" });
        for (var i = 0; i < 1000; i++) window.Add(new() { At = DateTimeOffset.UnixEpoch, Step = i, Kind = RunEventKind.Checkpoint, Text = "stored" });
        Assert.Equal(1, window.Since(0)[0].Number);
    }

    [Fact]
    public void A_text_without_end_is_cut_off()
    {
        var window = new EventWindow(2);
        window.Add(new() { At = DateTimeOffset.UnixEpoch, Step = 1, Kind = RunEventKind.Note, Text = new('x', 1_000_000) });
        Assert.Equal(new string('x', EventWindow.MaxText) + "…", Assert.Single(window.Since(0)).Text);
    }

    private static bool IsRoutine(RunEvent happened) => happened.Kind is RunEventKind.Checkpoint or RunEventKind.Generation;
}
