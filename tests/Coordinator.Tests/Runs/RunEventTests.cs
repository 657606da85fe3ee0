using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using static Distributed.Coordinator.Tests.Runs.RecorderBench;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunEventTests : IDisposable
{
    private const string KindByNumber = """{"at":"2026-02-03T04:05:06+00:00","step":1,"kind":3,"text":"by number"}""";

    private static readonly Gen<RunEvent[]> _events =
        Gen.Select(Gen.Enum<RunEventKind>(), Gen.String, Gen.OneOf(Gen.Const((string?)null), Gen.String!), Gen.Long, Gen.DateTimeOffset,
            (kind, text, worker, step, at) => new RunEvent { At = at, Step = step, Kind = kind, Worker = worker, Text = text }).Array[0, 4];

    private readonly RecorderBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void An_event_cannot_forge_a_line()
    {
        _bench.Recorder.Happened(RunEventKind.Fault, "worker-1: \u001b[2J\r\nFORGED: Test accuracy 100.00 %", "worker-1");
        _bench.Recorder.Refresh();
        Assert.Equal("worker-1: ?[2J  FORGED: Test accuracy 100.00 %", _bench.View.Messages.Last());
        Assert.Equal(_bench.View.Messages.Last(), EventsOf(_bench.Run.EventsFile)[^1].Text);
    }

    [Fact]
    public void Events_read_back_the_same_and_malformed_lines_are_skipped() =>
        Gen.Select(_events, _events, Gen.OneOfConst("", "null", "{}", "\0\0\0", KindByNumber)).Sample((before, behind, damage) =>
        {
            var path = _bench.Folder["events.jsonl"];
            File.WriteAllLines(path, before.Select(happened => happened.ToLine()));
            Assert.Equal(before, EventsOf(path));
            File.AppendAllLines(path, [damage, .. behind.Select(happened => happened.ToLine())]);
            Assert.Equal([.. before, .. behind], EventsOf(path));
        }, iter: 100, threads: 1);

    [Fact]
    public void A_very_long_event_is_cut_and_can_be_read()
    {
        var path = _bench.Folder["events.jsonl"];
        var happened = new RunEvent { At = default, Step = 1, Kind = RunEventKind.Note, Text = new('\u0001', 1_000_000) };
        File.WriteAllLines(path, [happened.ToLine()]);
        Assert.Equal(RunEvent.MaxText, Assert.Single(EventsOf(path)).Text.Length);
    }

    [Fact]
    public void Events_can_be_read_while_they_are_written_and_a_generation_names_its_workers()
    {
        List<string> seen = [];
        var read = 0L;
        foreach (var workers in (string[][])[["worker-1"], ["worker-1", "worker-2"], []])
        {
            _bench.Recorder.Happened(RunEventKind.Generation, "generation", workers: workers);
            _bench.Recorder.Refresh();
            read = RunEvent.ReadAll(
                LocalDisk.Instance, _bench.Run.EventsFile, happened => seen.Add(string.Join(' ', happened.Workers!)), read);
        }
        Assert.Equal(["worker-1", "worker-1 worker-2", ""], seen);
        File.WriteAllText(_bench.Run.EventsFile, "");
        Assert.Equal(0, RunEvent.ReadAll(LocalDisk.Instance, _bench.Run.EventsFile, _ => Assert.Fail("the file is empty"), read));
    }
}
