using Distributed.Coordinator.Runs;
using Distributed.Shared.Kernel;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class LineLogTests
{
    private static readonly Gen<HistoryRow> _row =
        from step in Gen.Long[1, long.MaxValue]
        from epoch in Gen.Int[1, int.MaxValue]
        from numbers in Gen.Double.Array[4]
        select new HistoryRow
        {
            Step = step,
            Epoch = epoch,
            Loss = numbers[0],
            LearningRate = numbers[1],
            GradientNorm = numbers[2],
            SamplesPerSecond = numbers[3],
        };

    [Fact]
    public void Every_number_reads_back_to_the_same_value() =>
        _row.Array[0, 5].Sample(rows =>
        {
            using var folder = new TemporaryFolder();
            using (var writer = LineLog.Create(folder["history.csv"], HistoryRow.Header))
                foreach (var row in rows) writer.Write(row.ToLine());
            var lines = File.ReadAllText(folder["history.csv"]).Split('\n');
            Assert.Equal("step,epoch,loss,learning_rate,gradient_norm,samples_per_second", lines[0]);
            Assert.Equal("", lines[^1]);
            Assert.Equal(rows, lines[1..^1].Select(HistoryRow.Parse));
        }, iter: 50);

    [Fact]
    public void Flushed_lines_can_be_read_while_the_file_grows()
    {
        using var folder = new TemporaryFolder();
        using var writer = LineLog.Create(folder["history.csv"], HistoryRow.Header);
        writer.Write(new HistoryRow { Step = 1, Epoch = 1, Loss = 0.1, LearningRate = 1e-5, GradientNorm = 1, SamplesPerSecond = 2 }.ToLine());
        writer.Flush();
        using var stream = new FileStream(folder["history.csv"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        Assert.EndsWith("\n1,1,0.1,1E-05,1,2\n", reader.ReadToEnd());
    }

    [Fact]
    public void A_file_that_is_gone_on_with_keeps_its_first_lines_alone() =>
        Gen.Select(_row.Array[0, 5], Gen.Int[0, 5], Gen.OneOfConst("", "half a li")).Sample((rows, keep, torn) =>
        {
            using var folder = new TemporaryFolder();
            using (var log = LineLog.Create(folder["a.csv"], HistoryRow.Header))
                foreach (var row in rows) log.Write(row.ToLine());
            File.AppendAllText(folder["a.csv"], torn);
            Assert.Equal(rows, LineLog.Lines(folder["a.csv"], HistoryRow.Header).Select(HistoryRow.Parse));
            keep = Math.Min(keep, rows.Length);
            using (var log = LineLog.Continue(folder["a.csv"], HistoryRow.Header, keep)) log.Write("the next");
            Assert.Equal([HistoryRow.Header, .. rows.Take(keep).Select(row => row.ToLine()), "the next", ""], File.ReadAllText(folder["a.csv"]).Split('\n'));
        }, iter: 100);

    [Fact]
    public void What_is_no_line_is_refused()
    {
        Assert.Throws<FormatException>(() => HistoryRow.Parse("1,2,3"));
        Assert.Throws<FormatException>(() => EpochResult.Parse("1,2,x,4", Metric.Accuracy));
    }
}
