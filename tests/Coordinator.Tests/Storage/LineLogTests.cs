using System.Text;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Tests.Storage;

public sealed class LineLogTests
{
    private const string Path = "/log.csv";

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
            using (var writer = New(LocalDisk.Instance, folder["history.csv"]))
            {
                foreach (var row in rows) writer.Add(row.ToLine());
                writer.Flush();
            }
            var lines = File.ReadAllText(folder["history.csv"]).Split('\n');
            Assert.Equal("step,epoch,loss,learning_rate,gradient_norm,samples_per_second", lines[0]);
            Assert.Equal("", lines[^1]);
            Assert.Equal(rows, lines[1..^1].Select(line => HistoryRow.TryParse(Encoding.UTF8.GetBytes(line))));
        }, iter: 50);

    [Fact]
    public void Flushed_lines_can_be_read_while_the_file_grows()
    {
        using var folder = new TemporaryFolder();
        using var writer = New(LocalDisk.Instance, folder["history.csv"]);
        HistoryRow row = new() { Step = 1, Epoch = 1, Loss = 0.1, LearningRate = 1e-5, GradientNorm = 1, SamplesPerSecond = 2 };
        writer.Add(row.ToLine());
        writer.Flush();
        using var stream = new FileStream(folder["history.csv"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        Assert.EndsWith("\n1,1,0.1,1E-05,1,2\n", reader.ReadToEnd());
    }

    [Theory]
    [InlineData("1,2,3")]
    [InlineData("1,1,0.5,0.1,1,100\0")]
    [InlineData("1,1,0.5\0\0,0.1,1,100")]
    [InlineData("\0\0\0\0")]
    [InlineData("1,1,0.5,0.1,1,100,7")]
    [InlineData("-1,1,0.5,0.1,1,100")]
    [InlineData("1,1,0,5,0.1,1,100")]
    [InlineData("")]
    public void A_malformed_line_is_refused(string line)
    {
        Assert.Null(HistoryRow.TryParse(Encoding.UTF8.GetBytes(line)));
        Assert.Null(EpochResult.TryParse(Encoding.UTF8.GetBytes(line), Metric.Accuracy));
    }

    [Fact]
    public void No_failure_loses_tears_or_repeats_a_line_and_flushed_lines_survive_a_power_cut() => Gen.Int.Sample(seed =>
    {
        var random = new Random(seed);
        var disk = new SimulatedDisk(random);
        var (added, safe, isDoubtful) = (new List<string>(), 0, false);
        var log = New(disk, Path);
        for (var action = 0; action < 60; action++)
        {
            disk.IsBroken = random.Next(6) == 0;
            disk.Capacity = random.Next(4) == 0 ? disk.Used + random.Next(40) : null;
            switch (random.Next(8))
            {
                case < 4:
                    added.Add($"{added.Count},{new string('x', random.Next(20))}");
                    log.Add(added[^1]);
                    break;
                case 4:
                    Try(() => log.Flush());
                    // A concurrent reader sees no torn line within the file.
                    var seen = Lines(disk);
                    Assert.Equal(added.Take(seen.Count), seen);
                    break;
                case 5:
                    isDoubtful = !Try(log.FlushToDisk);
                    if (!isDoubtful) safe = added.Count;
                    break;
                case 6 when random.Next(3) == 0 && !isDoubtful:
                    // The process is killed. After a failed flush, another process cannot know that what it reads is not on the disk.
                    Continue(Lines(disk));
                    break;
                case 7 when random.Next(3) == 0:
                    disk.CutPower();
                    var survived = Lines(disk);
                    Assert.True(survived.Count >= safe, $"{safe} lines were flushed, {survived.Count} have survived");
                    Continue(survived);
                    break;
            }
        }
        (disk.IsBroken, disk.Capacity) = (false, null);
        log.FlushToDisk();
        Assert.Equal(added, Lines(disk));
        log.Dispose();

        void Continue(List<string> there)
        {
            // Another process continues after the last consecutive line.
            (disk.IsBroken, disk.Capacity) = (false, null);
            var kept = there.Zip(added).TakeWhile(pair => pair.First == pair.Second).Count();
            Assert.True(kept >= safe);
            added = added[..kept];
            log = New(disk, Path);
            log.Continue(kept == 0 ? 0 : Encoding.UTF8.GetByteCount(string.Concat(added.Prepend("head").Select(line => line + '\n'))));
        }
    }, iter: 2000);

    [Fact]
    public void Lines_beyond_the_memory_bound_are_discarded_without_a_gap()
    {
        var disk = new SimulatedDisk(new(1)) { IsBroken = true };
        using var log = new LineLog(disk, Path, "head", isNeeded: true, maxBytes: 20);
        foreach (var line in (string[])["first", "second", "third", "4"]) log.Add(line);
        Assert.True(log.IsOverfull);
        disk.IsBroken = false;
        Assert.Contains("lacks lines", Assert.Throws<IOException>(log.FlushToDisk).Message, StringComparison.Ordinal);
        Assert.Equal(["first", "second"], Lines(disk));
    }

    private static LineLog New(IFileSystem files, string path) =>
        new(files, path, path == Path ? "head" : HistoryRow.Header, isNeeded: true);

    private static bool Try(Action write)
    {
        try
        {
            write();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static List<string> Lines(SimulatedDisk disk)
    {
        List<string> lines = [];
        if (!disk.FileExists(Path)) return lines;
        var reader = new LineReader(disk.OpenRead(Path), 100);
        while (reader.Next(out var line)) lines.Add(Encoding.UTF8.GetString(line));
        // A file without its header holds no lines.
        return lines is ["head", .. var rest] ? rest : [];
    }
}
