using System.Globalization;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class HistoryWriterTests
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
            using (var writer = new HistoryWriter(folder["history.csv"]))
                Array.ForEach(rows, writer.Write);
            var lines = File.ReadAllText(folder["history.csv"]).Split('\n');
            Assert.Equal("step,epoch,loss,learning_rate,gradient_norm,samples_per_second", lines[0]);
            Assert.Equal("", lines[^1]);
            Assert.Equal(rows, lines[1..^1].Select(Parse));
        }, iter: 50);

    [Fact]
    public void Flushed_lines_can_be_read_while_the_file_grows()
    {
        using var folder = new TemporaryFolder();
        using var writer = new HistoryWriter(folder["history.csv"]);
        writer.Write(new() { Step = 1, Epoch = 1, Loss = 0.1, LearningRate = 1e-5, GradientNorm = 1, SamplesPerSecond = 2 });
        writer.Flush();
        using var stream = new FileStream(folder["history.csv"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        Assert.EndsWith("\n1,1,0.1,1E-05,1,2\n", reader.ReadToEnd());
    }

    private static HistoryRow Parse(string line)
    {
        var parts = line.Split(',');
        return new()
        {
            Step = long.Parse(parts[0], CultureInfo.InvariantCulture),
            Epoch = int.Parse(parts[1], CultureInfo.InvariantCulture),
            Loss = double.Parse(parts[2], CultureInfo.InvariantCulture),
            LearningRate = double.Parse(parts[3], CultureInfo.InvariantCulture),
            GradientNorm = double.Parse(parts[4], CultureInfo.InvariantCulture),
            SamplesPerSecond = double.Parse(parts[5], CultureInfo.InvariantCulture),
        };
    }
}
