using System.Buffers.Binary;
using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Google.Protobuf;

namespace Distributed.Coordinator.Tests.TensorBoard;

public sealed class TensorBoardFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_step_and_every_evaluation_reads_back()
    {
        using (var board = new TensorBoardFolder(_folder["board"], _time, Assert.Fail))
        {
            board.Stepped(Step(1, loss: 2.5));
            _time.Advance(TimeSpan.FromSeconds(1.5));
            board.Stepped(Step(2, loss: double.NaN));
            board.Evaluated(new() { Epoch = 1, Step = 2, TestLoss = 0.25, TestMetric = new(Metric.Accuracy, 0.75) });
        }
        var train = Read("train");
        Assert.Equal([0, 1, 1, 2], train.Select(e => e.Step));
        Assert.Equal("brain.Event:2", train[0].Version);
        Assert.Equal(1, train[1].Session);
        Assert.Equal([("loss", 2.5f), ("learning_rate", 0.5f), ("gradient_norm", 3), ("samples_per_second", 100), ("epoch", 1)],
            train[2].Values);
        Assert.Equal(float.NaN, train[3].Values[0].Value);
        Assert.Equal(1.5, train[3].WallTime - train[2].WallTime, 1e-6);
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0, train[3].WallTime);
        Assert.Equal([("loss", 0.25f), ("accuracy", 0.75f)], Read("test")[2].Values);
    }

    [Fact]
    public void A_continued_run_replaces_the_steps_that_were_not_recorded()
    {
        using (var board = new TensorBoardFolder(_folder["board"], _time, Assert.Fail))
            for (var step = 1; step <= 5; step++) board.Stepped(Step(step, loss: 1));
        _time.Advance(TimeSpan.FromSeconds(1));
        using (var board = new TensorBoardFolder(_folder["board"], _time, Assert.Fail))
        {
            for (var step = 1; step <= 3; step++) board.Recalled(Step(step, 1));
            board.Stepped(Step(4, loss: 2));
        }
        Assert.Equal([(1, 1f), (2, 1), (3, 1), (4, 2)], Shown("train").Select(point => (point.Key, point.Value)));
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_reported_once_and_training_continues()
    {
        File.WriteAllText(_folder["board"], "in the way");
        var complaints = new List<string>();
        using var board = new TensorBoardFolder(_folder["board"], _time, complaints.Add);
        for (var step = 1; step <= 5; step++) board.Stepped(Step(step, loss: 1));
        Assert.StartsWith($"the files for TensorBoard in {_folder["board"]} cannot be written: ", Assert.Single(complaints),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Files_are_begun_anew_when_they_can_be_written_again()
    {
        File.WriteAllText(_folder["board"], "in the way");
        var complaints = new List<string>();
        using (var board = new TensorBoardFolder(_folder["board"], _time, complaints.Add))
        {
            board.Stepped(Step(1, loss: 1));
            File.Delete(_folder["board"]);
            board.Stepped(Step(2, loss: 1));
            _time.Advance(TimeSpan.FromSeconds(10));
            for (var step = 3; step <= 4; step++) board.Stepped(Step(step, loss: 2));
        }
        Assert.Equal([(3, 2f), (4, 2)], Shown("train").Select(point => (point.Key, point.Value)));
        Assert.Equal(2, complaints.Count);
        Assert.EndsWith("are written again", complaints[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Clearing_leaves_other_files()
    {
        using (var board = new TensorBoardFolder(_folder["board"], _time, Assert.Fail)) board.Stepped(Step(1, 1));
        File.WriteAllText(_folder["board/train/notes.txt"], "mine");
        TensorBoardFolder.Clear(_folder["board"]);
        TensorBoardFolder.Clear(_folder["nowhere"]);
        Assert.Equal("notes.txt", Path.GetFileName(Assert.Single(Directory.EnumerateFiles(_folder["board/train"]))));
    }

    private static HistoryRow Step(long step, double loss) =>
        new() { Step = step, Epoch = 1, Loss = loss, LearningRate = 0.5, GradientNorm = 3, SamplesPerSecond = 100 };

    /// <summary>The loss as TensorBoard shows it: a session that starts at a step hides the older points from that step on.</summary>
    private SortedDictionary<int, float> Shown(string part)
    {
        SortedDictionary<int, float> shown = [];
        foreach (var next in Read(part))
        {
            if (next.Session == 1)
                foreach (var step in shown.Keys.Where(step => step >= next.Step).ToList()) shown.Remove(step);
            if (next.Values.Count > 0) shown[(int)next.Step] = next.Values[0].Value;
        }
        return shown;
    }

    private List<Event> Read(string part)
    {
        List<Event> events = [];
        foreach (var file in Directory.EnumerateFiles(Path.Combine(_folder["board"], part)).Order(StringComparer.Ordinal))
        {
            ReadOnlySpan<byte> left = File.ReadAllBytes(file);
            while (left.Length > 0)
            {
                var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(left);
                Assert.Equal(Checksum(left[..8]), BinaryPrimitives.ReadUInt32LittleEndian(left[8..]));
                Assert.Equal(Checksum(left.Slice(12, length)), BinaryPrimitives.ReadUInt32LittleEndian(left[(12 + length)..]));
                events.Add(Event.Parse(left.Slice(12, length)));
                left = left[(16 + length)..];
            }
        }
        return events;
    }

    /// <summary>Bit by bit, from the Castagnoli polynomial.</summary>
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var next in bytes)
        {
            crc ^= next;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
        }
        crc = ~crc;
        return unchecked(((crc >> 15) | (crc << 17)) + 0xa282ead8);
    }

    private sealed record Event
    {
        public double WallTime { get; private set; }

        public long Step { get; private set; }

        public string? Version { get; private set; }

        public int Session { get; private set; }

        public List<(string Tag, float Value)> Values { get; } = [];

        public static Event Parse(ReadOnlySpan<byte> bytes)
        {
            var parsed = new Event();
            var input = new CodedInputStream(bytes.ToArray());
            while (input.ReadTag() is var tag and not 0)
            {
                switch (tag >> 3)
                {
                    case 1: parsed.WallTime = input.ReadDouble(); break;
                    case 2: parsed.Step = input.ReadInt64(); break;
                    case 3: parsed.Version = input.ReadString(); break;
                    case 5: parsed.ReadValues(input.ReadBytes()); break;
                    case 7: parsed.ReadSession(input.ReadBytes()); break;
                    default: Assert.Fail($"an unknown field: {tag}"); break;
                }
            }
            return parsed;
        }

        private void ReadSession(ByteString bytes)
        {
            var input = bytes.CreateCodedInput();
            Assert.Equal(8u, input.ReadTag());
            Session = input.ReadEnum();
        }

        private void ReadValues(ByteString summary)
        {
            var input = summary.CreateCodedInput();
            while (input.ReadTag() is var tag and not 0)
            {
                Assert.Equal(10u, tag);
                var value = input.ReadBytes().CreateCodedInput();
                Assert.Equal(10u, value.ReadTag());
                var name = value.ReadString();
                Assert.Equal(21u, value.ReadTag());
                Values.Add((name, value.ReadFloat()));
            }
        }
    }
}
