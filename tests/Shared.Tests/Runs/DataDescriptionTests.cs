using Distributed.Jobs.Runs;

namespace Distributed.Shared.Tests.Runs;

public sealed class DataDescriptionTests
{
    private static readonly DataDescription _images =
        new() { Data = "folder", Shape = [3, 8, 9], Classes = ["cat", "Hündin \"Lola\""], Scale = 1f / 255, Notes = ["one was left out"] };

    [Fact]
    public void A_description_survives_a_round_trip()
    {
        var read = DataDescription.Parse(_images.ToJson());
        Assert.Equal(_images.ToJson(), read.ToJson());
        Assert.Equal(("folder", 1f / 255), (read.Data, read.Scale));
        Assert.Equal(_images.Classes, read.Classes);
        Assert.Null(DataDescription.Parse((_images with { Scale = null }).ToJson()).Scale);
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("null", "null is not a description of data")]
    [InlineData("[]", "JSON")]
    [InlineData("""{"data":"a","classes":[]}""", "shape")]
    [InlineData("""{"data":"a","shape":[],"classes":[]}""", "its shape is []; allowed: 1 to 16 sizes of at least 1")]
    [InlineData("""{"data":"a","shape":[3,0],"classes":[]}""", "its shape is [3, 0]; allowed: 1 to 16 sizes of at least 1")]
    [InlineData("""{"data":"a","shape":[1],"classes":["b",""]}""",
        "it has 2 classes; allowed: up to 1000, with names of 1 to 64 characters on one line")]
    [InlineData("""{"data":"a","shape":[1],"classes":["b\nc"]}""",
        "it has 1 classes; allowed: up to 1000, with names of 1 to 64 characters on one line")]
    [InlineData("""{"data":"a","shape":[1],"classes":["b","b"]}""", "two of its classes have the same name")]
    [InlineData("""{"data":"a","shape":[1],"classes":[],"scale":-1}""", "its scale is -1; allowed: above 0")]
    [InlineData("""{"data":"a","shape":[1],"classes":[],"size":1}""", "size")]
    public void A_malformed_description_is_refused(string json, string complaint) =>
        Assert.Contains(complaint, Assert.Throws<FormatException>(() => DataDescription.Parse(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_long_text_is_refused_unread() => Assert.Equal(
        "it has 100001 characters; at most 100000 are allowed",
            Assert.Throws<FormatException>(() => DataDescription.Parse(new('[', 100_001))).Message);
}
