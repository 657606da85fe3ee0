using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class DataSetsTests
{
    [Theory]
    [InlineData("cifar")]
    [InlineData("Digits")]
    [InlineData("")]
    public void An_unknown_name_is_rejected_with_the_allowed_names(string name)
    {
        var message = Assert.Throws<DataException>(() => DataSets.Load(name, new DataOptions())).Message;
        Assert.Contains($"'{name}'", message, StringComparison.Ordinal);
        Assert.All(DataSets.Names, allowed => Assert.Contains(allowed, message, StringComparison.Ordinal));
    }

    [Fact]
    public void The_names_are_the_documented_ones() =>
        Assert.Equal(["digits", "fashion-mnist", "breast-cancer", "diabetes", "digit-scenes-boxes", "digit-scenes-masks"], DataSets.Names);
}
