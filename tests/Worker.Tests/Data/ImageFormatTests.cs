using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class ImageFormatTests
{
    private const string PackageFolder = "/usr/share/datasets/fashion-mnist";

    [Fact]
    public void The_format_known_without_reading_is_that_of_the_digits()
    {
        Assert.Equal(Digits.Load().Test.Format, DataSets.FormatOf("digits"));
        Assert.Equal(16, ((ImageFormat)DataSets.FormatOf("digits")).Brightest);
        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], DataSets.Describe("digits").Classes);
    }

    [Fact]
    public void The_format_known_without_reading_is_that_of_Fashion_MNIST()
    {
        Assert.Equal(255, ((ImageFormat)DataSets.FormatOf("fashion-mnist")).Brightest);
        Assert.Equal("Ankle boot", DataSets.Describe("fashion-mnist").Classes[9]);
        Assert.SkipUnless(Directory.Exists(PackageFolder), "There is no Fashion-MNIST: install the Debian package dataset-fashion-mnist.");
        Assert.Equal(DataSets.Load("fashion-mnist", new DataOptions()).Test.Format, DataSets.FormatOf("fashion-mnist"));
    }

    [Fact]
    public void Every_data_set_has_a_format_and_a_label_per_class()
    {
        foreach (var name in DataSets.Names)
            Assert.Equal(DataSets.FormatOf(name).Classes, DataSets.Describe(name).Classes.Distinct().Count());
        Assert.Throws<DataException>(() => DataSets.FormatOf("imagenet"));
        Assert.Throws<DataException>(() => DataSets.Describe("imagenet").Classes);
    }
}
