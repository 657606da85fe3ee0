using System.Globalization;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class CsvTableTests : IDisposable
{
    private static readonly CsvData _prices = new() { Path = "a.csv", Target = new("price", 0), Test = 0.5 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Any_table_of_numbers_is_read_as_it_was_written() =>
        Gen.Select(Gen.Int[2, 20], Gen.Int[1, 5], Gen.OneOfConst(",", ";", "|", "\t"), Gen.Bool, Gen.Long[0, 100])
            .SelectMany((rows, columns, separator, hasHeader, seed) =>
        Gen.Select(Gen.Int[-1_000_000, 1_000_000].Select(thousandths => thousandths / 1000.0).Array[rows * (columns + 1)],
            Gen.Int[0, columns], Gen.Bool).Select((numbers, target, areQuoted) =>
            (rows, columns, separator, hasHeader, seed, numbers, target, areQuoted))).Sample(t =>
        {
            var lines = t.numbers.Chunk(t.columns + 1)
                .Select(row => string.Join(t.separator, row.Select(number => Cell(number, t.areQuoted))));
            var names = Enumerable.Range(0, t.columns + 1).Select(column => $"\"the {t.separator} \"\"{column}\"\"\"");
            Write("any.csv", [.. t.hasHeader ? [string.Join(t.separator, names)] : Array.Empty<string>(), .. lines]);
            var target = t.hasHeader ? new ColumnRef($"the {t.separator} \"{t.target}\"", 0) : new(null, t.target + 1);
            var data = new CsvData { Path = "any.csv", Separator = t.separator, Header = t.hasHeader, Test = 0.5, Target = target };
            var set = Load(data, TaskKind.Regression, t.seed);
            // The same numbers as a table give the same data set.
            var inputs = t.numbers.Where((_, i) => i % (t.columns + 1) != t.target);
            var targets = t.numbers.Where((_, i) => i % (t.columns + 1) == t.target);
            Assert.Equal(new Table([.. inputs], [.. targets], 0).ToDataSet("csv", Split.ByShare(t.rows, 0.5, t.seed)).Fingerprint,
                set.Fingerprint);
        }, iter: 200, threads: 1);

    [Fact]
    public void Names_become_classes_in_their_order_and_chosen_columns_inputs()
    {
        Write("a.csv", "kind,size,colour", "wolf,1,grey", "ape,2,\"brown, dark\"", "wolf,3,grey", "Cat,4,black");
        var data = new CsvData { Path = "a.csv", Target = new("kind", 0), Columns = [new(null, 3), new("size", 0)], Test = 0.25 };
        var set = Load(data with { OneHot = [new("colour", 0)] }, TaskKind.Classification);
        Assert.Equal(["Cat", "ape", "wolf"], set.Classes);
        // black, brown and grey, and the size.
        Assert.Equal(new ArrayFormat([4], 3), set.Train.Format);
        var all = Rows(set.Train).Concat(Rows(set.Test)).ToList();
        Assert.Equal([0, 1, 2, 2], all.Select(row => row.Target).Order());
        var wolves = all.Where(row => row.Target == 2).ToList();
        Assert.Equal(wolves[0].Inputs[..3], wolves[1].Inputs[..3]);
        Assert.All(all, row => Assert.Equal(1, row.Inputs[..3].Count(value => value > 0)));
    }

    [Fact]
    public void Classes_that_are_numbers_are_ordered_by_value()
    {
        Write("a.csv", "price,x", "10,1", "9,2", "-1,3", "10,4");
        Assert.Equal(["-1", "9", "10"], Load(_prices, TaskKind.Classification).Classes);
    }

    [Fact]
    public void A_separate_test_file_is_scaled_like_the_training_set()
    {
        Write("a.csv", "x,price", "0,1", "2,3");
        Write("b.csv", "x,price", "3,4");
        var set = Load(_prices with { Test = null, TestPath = "b.csv" }, TaskKind.Regression);
        Assert.Equal((2, 1), (set.Train.Count, set.Test.Count));
        var (inputs, target) = Rows(set.Test)[0];
        Assert.Equal([2], inputs);
        Assert.Equal(2, target);
    }

    [Fact]
    public void Bad_rows_are_named_and_rejected_or_skipped()
    {
        Write("a.csv", "x,y,price", "1,2,3", "1,2", "", ",2,3", "1,many,3", "1,2,NaN", "4,5,6", "1,2,3,4", "1,\"2\"3,4", "7,1e39,9");
        const string Named = "line 3 has 2 values; 3 are expected; line 5, column 'x' is empty; a number is expected; "
            + "line 6, column 'y' is 'many'; a number is expected; line 7, column 'price' is 'NaN'; a number is expected; "
            + "line 9 has 4 values; 3 are expected; line 10 has a quote where none may stand (one within quotes is doubled); "
            + "line 11, column 'y' is '1e39'; a number is expected";
        Assert.Equal($"{_folder.At("a.csv")}: 7 of 9 samples cannot be used: {Named}. "
            + "Mend them, or leave them out with on-bad-sample: skip.", Error(_prices));
        var set = Load(_prices with { SkipsBadSamples = true }, TaskKind.Regression);
        Assert.Equal((1, 1), (set.Train.Count, set.Test.Count));
        Assert.Equal($"{_folder.At("a.csv")}: 7 of 9 samples cannot be used and are left out: {Named}", Assert.Single(set.Notes));
    }

    [Theory]
    [InlineData("{0}")]
    [InlineData("x,price\n1,2\n{0}")]
    [InlineData("x,price\n1,2\n\"a\"b{0}")]
    public void An_endless_row_is_rejected_before_it_uses_memory(string text)
    {
        File.WriteAllText(_folder.At("a.csv"), text.Replace("{0}", new string(',', 50_000_000), StringComparison.Ordinal));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.EndsWith("a row has more than 1048576 characters.", Error(_prices), StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300 << 20);
    }

    [Fact]
    public void An_endless_row_of_multi_line_values_is_rejected()
    {
        File.WriteAllText(_folder.At("a.csv"), string.Concat(Enumerable.Repeat("\"\n\",", 10_000_000)));
        Assert.EndsWith("a row has more than 1048576 characters.", Error(_prices), StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_the_largest_width_are_read()
    {
        const int MaxColumns = 16_384;
        Write("a.csv", [.. Enumerable.Range(0, 3).Select(row => string.Join(',', Enumerable.Range(0, MaxColumns)
            .Select(column => row == 0 ? $"c{column}" : $"{row}.{column:00000}")))]);
        Assert.Equal(new ArrayFormat([MaxColumns - 1], 0), Load(_prices with { Target = new("c0", 0) }, TaskKind.Regression).Train.Format);
    }

    [Fact]
    public void Of_many_bad_rows_ten_are_named()
    {
        Write("a.csv", ["x,price", .. Enumerable.Range(0, 25).Select(_ => "1,")]);
        var named = string.Join("; ", Enumerable.Range(2, 10)
            .Select(line => $"line {line}, column 'price' is empty; a number is expected"));
        Assert.Equal($"{_folder.At("a.csv")}: 25 of 25 samples cannot be used: {named}; and 15 more. "
            + "Mend them, or leave them out with on-bad-sample: skip.", Error(_prices));
        Assert.Equal($"{_folder.At("a.csv")}: 25 of 25 samples cannot be used, so none is left: {named}; and 15 more.",
            Error(_prices with { SkipsBadSamples = true }));
    }

    [Theory]
    [InlineData("x,price\n1,2", "has one sample; a training and a test set need at least 2.")]
    [InlineData("x,price", "has no samples.")]
    [InlineData("", "has no samples.")]
    [InlineData("x,prise\n1,2", "target is 'price', but there is no such column (did you mean prise?); there are x, prise.")]
    [InlineData("price,price\n1,2", "target is 'price', but columns 1 and 2 both have that name; give the number of one.")]
    [InlineData("price\n1\n2", "there is no column beside the target. "
        + "If its values are separated by something else than ',', say separator.")]
    [InlineData("1,2\n3,4", "the first line has numbers alone, and no names. If the file has no header, say header: false.")]
    public void An_unsuitable_table_is_rejected(string text, string complaint)
    {
        File.WriteAllText(_folder.At("a.csv"), text);
        Assert.Contains(complaint, Error(_prices), StringComparison.Ordinal);
    }

    [Fact]
    public void Unsuitable_columns_are_rejected()
    {
        Write("a.csv", "x,y,price", "1,2,3", "4,5,6");
        Assert.EndsWith("a.csv: target is 4, but there are 3 columns.", Error(_prices with { Target = new(null, 4) }),
            StringComparison.Ordinal);
        Assert.EndsWith("a.csv: columns has column 'x' twice; allowed: once.",
            Error(_prices with { Columns = [new("x", 0), new(null, 1)] }), StringComparison.Ordinal);
        Assert.EndsWith("a.csv: column 'price' is the target, and cannot be one of columns.",
            Error(_prices with { Columns = [new("price", 0)] }), StringComparison.Ordinal);
        Assert.EndsWith("a.csv: one-hot has column 'y', which is no input.",
            Error(_prices with { Columns = [new("x", 0)], OneHot = [new("y", 0)] }), StringComparison.Ordinal);
        Write("b.csv", "x,z,price", "1,2,3");
        Assert.EndsWith("b.csv has other columns than a.csv: its first line differs.",
            Error(_prices with { Test = null, TestPath = "b.csv" }), StringComparison.Ordinal);
    }

    [Fact]
    public void Classes_that_do_not_fit_the_task_are_rejected()
    {
        Write("a.csv", ["x,price", .. Enumerable.Range(0, 2000).Select(i => $"1,{i}")]);
        Assert.EndsWith("column 'price' has more than 1000 different values; is it a number?", Error(_prices, TaskKind.Classification),
            StringComparison.Ordinal);
        Write("a.csv", "x,price", "1,a", "2,b", "3,c");
        Assert.Equal("a.csv: binary-classification tells two classes apart; there are 3: a, b, c. For more: task: classification.",
            Error(_prices, TaskKind.BinaryClassification));
        Write("a.csv", "x,price", "1,a", "2,a");
        Assert.Equal("a.csv: there is one class alone, a; classification needs at least 2.", Error(_prices, TaskKind.Classification));
    }

    [Fact]
    public void An_unreadable_file_is_reported()
    {
        Assert.Contains($"'{_folder.At("a.csv")}' does not exist on {Environment.MachineName}. Give a path that is absolute",
            Error(_prices), StringComparison.Ordinal);
        File.WriteAllBytes(_folder.At("a.csv"), [.. "x,price\n1,2\n"u8, 0xff, 0xfe]);
        Assert.EndsWith("this is no text in UTF-8.", Error(_prices), StringComparison.Ordinal);
        File.WriteAllText(_folder.At("a.csv"), $"x,price\n\"{new string('1', 10_000)}");
        Assert.EndsWith("a value has more than 4096 characters; is a quote left open?", Error(_prices), StringComparison.Ordinal);
    }

    private static string Cell(double number, bool isQuoted) =>
        isQuoted ? $" \"{number.ToString("R", CultureInfo.InvariantCulture)}\" " : number.ToString("R", CultureInfo.InvariantCulture);

    private void Write(string name, params string[] lines) => File.WriteAllText(_folder.At(name), string.Join('\n', lines));

    private DataSet Load(CsvData data, TaskKind kind, long seed = 1) =>
        DataSets.Load(Job.Default with { Task = kind.Name, Data = data, Seed = seed }, new() { DataDirectory = _folder.Path });

    private string Error(CsvData data, TaskKind? kind = null) =>
        Assert.Throws<DataException>(() => Load(data, kind ?? TaskKind.Regression)).Message;

    private static List<(float[] Inputs, float Target)> Rows(SampleSet set) => [.. Enumerable.Range(0, set.Count).Select(sample =>
    {
        var (inputs, target) = (new float[set.Format.SampleSize], new float[1]);
        set.CopyTo([sample], inputs, target);
        return (inputs, target[0]);
    })];
}
