using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RecordedLinesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_lines_before_changed_bytes_are_found() =>
        Gen.Select(Gen.Int[0, 30], Gen.Double.Unit, Gen.Byte.Array[1, 80]).Sample((rows, where, damage) =>
        {
            var text = string.Concat(Enumerable.Range(0, rows).Select(RowOf).Prepend(HistoryRow.Header).Select(line => line + '\n'));
            var bytes = System.Text.Encoding.ASCII.GetBytes(text);
            var at = (int)(where * bytes.Length);
            byte[] changed = [.. bytes[..at], .. damage, .. bytes.AsSpan(Math.Min(bytes.Length, at + damage.Length))];
            File.WriteAllBytes(_folder["history.csv"], changed);
            var told = 0;
            var (found, length) = Read(_ => told++);
            var intact = Math.Max(0, bytes.AsSpan(0, at).Count((byte)'\n') - 1);
            Assert.InRange(found.Lines, at < HistoryRow.Header.Length + 1 ? 0 : intact, rows + 80);
            Assert.Equal(found.Lines, told);
            Assert.InRange(length, found.Lines == 0 ? 0 : 1, changed.Length);
        }, iter: 2000, threads: 1);

    [Theory]
    [InlineData("", 0, null, 0)]
    [InlineData("1,1,1,1,1,1\n2,1,1,1,1,1\n", 2, null, 0)]
    [InlineData("1,1,1,1,1,1\r\n2,1,1,1,1,1\r\n", 2, null, 0)]
    [InlineData("1,1,1,1,1,1\n2,1,1,1", 1, null, 0)]
    [InlineData("1,1,1,1,1,1\n\0\0\0\0\n3,2,1,1,1,1\n4,2,1,1,1,1\n", 1, 3L, 3)]
    [InlineData("1,1,1,1,1,1\n3,2,1,1,1,1\n", 1, 3L, 1)]
    [InlineData("1,1,1,1,1,1\n2,1,1,1,1,1\n3,1,1,1,1,1\n", 2, 4L, 1)]
    public void A_malformed_line_or_one_out_of_order_is_named(string text, int lines, long? fault, int behind)
    {
        File.WriteAllText(_folder["history.csv"], HistoryRow.Header + '\n' + text);
        Assert.Equal(new(lines, fault, behind), Read(_ => { }).Found);
    }

    [Fact]
    public void A_file_with_another_header_holds_no_lines()
    {
        Assert.Equal((default, 0), Read(_ => { }));
        File.WriteAllText(_folder["history.csv"], "\0\0\n1,1,1,1,1,1\n");
        Assert.Equal((new(0, 1, 2), 0), Read(_ => { }));
        File.WriteAllText(_folder["evaluations.csv"], EpochResult.Header(Metric.Accuracy) + "\n1,2,0.5,0.5\n2,4,0.5,0.5\n");
        Assert.Equal(new(2), new RecordedLines(LocalDisk.Instance, _folder.Path).Evaluations(Metric.Accuracy, stepsPerEpoch: 2).Found);
        var recorded = new RecordedLines(LocalDisk.Instance, _folder.Path);
        Assert.Equal(new(0, 2, 2), recorded.Evaluations(Metric.Accuracy, stepsPerEpoch: 3).Found);
        Assert.Equal(new(0, 1, 3), new RecordedLines(LocalDisk.Instance, _folder.Path).Evaluations(Metric.MeanIou, stepsPerEpoch: 2).Found);
    }

    [Fact]
    public void A_very_long_history_is_read_in_the_memory_of_one_line()
    {
        using (var file = new StreamWriter(_folder["history.csv"]))
        {
            file.Write(HistoryRow.Header + '\n');
            for (var row = 0; row < 300_000; row++) file.Write(RowOf(row) + '\n');
        }
        var before = GC.GetAllocatedBytesForCurrentThread();
        var lines = new RecordedLines(LocalDisk.Instance, _folder.Path).History().Found.Lines;
        Assert.Equal(300_000, lines);
        // The rows themselves, which the reader does not keep.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300_000 * 100L);
    }

    private static string RowOf(int index) =>
        new HistoryRow
        {
            Step = index + 1,
            Epoch = (index / 2) + 1,
            Loss = 1.0 / (index + 3),
            LearningRate = 0.1,
            GradientNorm = Math.E,
            SamplesPerSecond = 1e9 / 7,
        }.ToLine();

    private (FoundLines Found, long Bytes) Read(Action<HistoryRow> tell) =>
        new RecordedLines(LocalDisk.Instance, _folder.Path).History(stepsPerEpoch: 2, tell: tell);
}
