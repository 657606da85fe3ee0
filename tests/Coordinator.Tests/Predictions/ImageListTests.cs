using Distributed.Coordinator.Commands;

namespace Distributed.Coordinator.Tests.Predictions;

public sealed class ImageListTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_is_replaced_by_its_images_and_a_file_stays()
    {
        foreach (var name in new[] { "b.png", "a.JPG", "c.jpeg", "B.PNG", "notes.txt", "png" }) File.WriteAllText(_folder[name], "");
        Directory.CreateDirectory(_folder["inner.png"]);
        Assert.Equal(
            ["z.gif", _folder["B.PNG"], _folder["a.JPG"], _folder["b.png"], _folder["c.jpeg"], "missing.png"],
            ImageList.Expand(["z.gif", _folder.Path, "missing.png"]));
    }

    [Fact]
    public void A_folder_without_images_is_refused() =>
        Assert.Contains($"'{_folder.Path}' has no file that ends in .png",
            Assert.Throws<IOException>(() => ImageList.Expand([_folder.Path])).Message, StringComparison.Ordinal);
}
