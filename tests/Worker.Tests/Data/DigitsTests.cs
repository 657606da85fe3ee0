using System.Globalization;
using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class DigitsTests
{
    private static readonly DataSet _digits = DataSets.Load("digits", new DataOptions());

    private static ImageSet Train => (ImageSet)_digits.Train;

    private static ImageSet Test => (ImageSet)_digits.Test;

    [Fact]
    public void Every_fifth_sample_is_a_test_sample()
    {
        Assert.Equal((1438, 359), (Train.Count, Test.Count));
        Assert.Equal([0, 1, 2, 3, 5, 6, 7, 8, 0], Train.Labels[..9].ToArray());
        Assert.Equal([4, 9, 4, 9], Test.Labels[..4].ToArray());
    }

    [Fact]
    public void The_first_image_is_the_zero_that_the_file_starts_with()
    {
        Assert.Equal(new ImageFormat(1, 8, 8, 10, 1f / 16), Train.Format);
        var (image, label) = (new float[64], new float[1]);
        Train.CopyTo([0], image, label);
        Assert.Equal([0f, 0f, 5f / 16, 13f / 16, 9f / 16, 1f / 16, 0f, 0f], image[..8]);
        Assert.Equal(0, label[0]);
    }

    [Fact]
    public void Every_class_is_in_both_splits_and_the_pixels_use_the_whole_scale()
    {
        foreach (var set in (ImageSet[])[Train, Test])
        {
            Assert.Equal(10, set.Labels.ToArray().Distinct().Count());
            Assert.Equal(16, set.Pixels.ToArray().Max());
        }
    }

    [Fact]
    public void The_fingerprint_is_the_same_on_every_machine() => Assert.Equal("24966b977215a0969edd9609f8b6eecf", _digits.Fingerprint);

    [Theory]
    [InlineData("17", 7, "line 3, column 7 is '17'; allowed are 0 to 16")]
    [InlineData("-1", 1, "line 3, column 1 is '-1'; allowed are 0 to 16")]
    [InlineData("", 64, "line 3, column 64 is ''; allowed are 0 to 16")]
    [InlineData("1.5", 64, "line 3, column 64 is '1.5'; allowed are 0 to 16")]
    [InlineData("10", 65, "line 3, column 65 is '10'; allowed are 0 to 9")]
    public void A_wrong_value_is_named_with_line_and_column(string value, int column, string message)
    {
        var fields = Line(0).Split(',');
        fields[column - 1] = value;
        Assert.Contains(message, Refused(Lines(1797, (2, string.Join(',', fields)))), StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_columns_and_missing_or_extra_lines_are_rejected()
    {
        Assert.Contains("line 3 has 2 values; expected 65", Refused(Lines(1797, (2, "0,1"))), StringComparison.Ordinal);
        Assert.Contains("ends after 1796 lines", Refused(Lines(1796)), StringComparison.Ordinal);
        Assert.Contains("more than 1797 lines", Refused(Lines(1798)), StringComparison.Ordinal);
    }

    private static string Refused(IEnumerable<string> lines) =>
        Assert.Throws<DataException>(() => Digits.Parse(new StringReader(string.Join('\n', lines)))).Message;

    private static IEnumerable<string> Lines(int count, params (int Index, string Line)[] changes) =>
        Enumerable.Range(0, count).Select(i => changes.FirstOrDefault(change => change.Index == i).Line ?? Line(i));

    private static string Line(int i) =>
        string.Join(',', Enumerable.Repeat("0", 64).Append((i % 10).ToString(CultureInfo.InvariantCulture)));
}
