using Distributed.Core;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using SkiaSharp;

namespace Distributed.Worker.Tests.Data;

public sealed class ImageFolderTests : IDisposable
{
    private static readonly FolderData _grey = new() { Path = "pets", Size = [2, 2], Grey = true, Test = 0.5 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Folders_are_classes_in_order_and_their_images_are_samples()
    {
        for (var i = 0; i < 3; i++) Write(["pets", "b", $"{i}.png"], (byte)(10 + i));
        for (var i = 0; i < 3; i++) Write(["pets", "A", $"{i}.jpeg"], (byte)(100 + i), SKEncodedImageFormat.Jpeg);
        File.WriteAllText(_folder.At("pets", ".hidden"), "");
        var set = Load(_grey);
        Assert.Equal(["A", "b"], set.Classes);
        Assert.Empty(set.Notes);
        Assert.Equal(new ImageFormat(1, 2, 2, 2, 1f / 255), set.Train.Format);
        Assert.Equal((3, 3), (set.Train.Count, set.Test.Count));
        var all = Samples((ImageSet)set.Train).Concat(Samples((ImageSet)set.Test)).Order().ToList();
        Assert.Equal([(10, 1), (11, 1), (12, 1), (100, 0), (101, 0), (102, 0)], all);
        Assert.Equal(set.Fingerprint, Load(_grey).Fingerprint);
        Assert.NotEqual(set.Fingerprint, Load(_grey, seed: 2).Fingerprint);
    }

    [Fact]
    public void Colour_images_have_three_channels()
    {
        using (var bitmap = new SKBitmap(2, 2, SKColorType.Rgba8888, SKAlphaType.Opaque))
        {
            bitmap.Erase(new(1, 2, 3));
            foreach (var name in (string[])["a", "b"]) Save(bitmap, ["pets", name, "x.png"], SKEncodedImageFormat.Png);
        }
        var set = (ImageSet)Load(_grey with { Grey = false }).Train;
        Assert.Equal(3, set.Format.Channels);
        Assert.Equal([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], set.Pixels.ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_test_set_may_have_a_folder_of_its_own(bool isNamed)
    {
        Write(["pets", "train", "a", "1.png"], 1);
        Write(["pets", "train", "b", "2.png"], 2);
        Write(["pets", "test", "b", "3.png"], 3);
        var set = Load(isNamed ? _grey with { Path = "pets/train", TestPath = "pets/test", Test = null } : _grey with { Test = null });
        Assert.Equal([(1, 0), (2, 1)], Samples((ImageSet)set.Train));
        Assert.Equal([(3, 1)], Samples((ImageSet)set.Test));
        if (!isNamed)
        {
            Assert.Equal($"test is 0.5, but {_folder.At("pets")} has a training and a test set, in the subfolders train and test. "
                + "Leave test out, or give another path.", Error(_grey));
        }
        Write(["pets", "test", "c", "4.png"], 4);
        Assert.EndsWith($"test has the class 'c', which {_folder.At("pets", "train")} has not.",
            Error(_grey with { Test = null }), StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_images_are_named_and_rejected_or_skipped()
    {
        for (var i = 0; i < 2; i++) Write(["pets", "a", $"good{i}.png"], 1);
        Write(["pets", "b", "good.png"], 1);
        File.WriteAllText(_folder.At("pets", "a", "notes.txt"), "no image at all");
        File.WriteAllBytes(_folder.At("pets", "b", "cut.png"), File.ReadAllBytes(_folder.At("pets", "b", "good.png"))[..50]);
        Directory.CreateDirectory(_folder.At("pets", "b", "deeper"));
        File.WriteAllText(_folder.At("pets", "readme.txt"), "");
        var named = "readme.txt lies beside the folders of the classes; "
            + "a/notes.txt is neither PNG nor JPEG: it begins with the bytes 6e6f20696d616765; "
            + "b/cut.png is damaged: its header cannot be read; b/deeper is a folder";
        Assert.Equal($"{_folder.At("pets")}: 4 of 7 samples cannot be used: {named}. "
            + "Mend them, or leave them out with on-bad-sample: skip.", Error(_grey));
        var set = Load(_grey with { SkipsBadSamples = true });
        Assert.Equal(3, set.Train.Count + set.Test.Count);
        Assert.Equal($"{_folder.At("pets")}: 4 of 7 samples cannot be used and are left out: {named}", Assert.Single(set.Notes));
    }

    [Fact]
    public void An_unsuitable_folder_is_rejected()
    {
        Assert.Contains("does not exist", Error(_grey), StringComparison.Ordinal);
        Directory.CreateDirectory(_folder.At("pets"));
        Assert.EndsWith("pets has no subfolders; a folder for each class is expected.", Error(_grey), StringComparison.Ordinal);
        Write(["pets", "a", "x.png"], 1);
        Write(["pets", "a", "y.png"], 1);
        Assert.Equal("pets: there is one class alone, a; classification needs at least 2.", Error(_grey));
        Directory.CreateDirectory(_folder.At("pets", "b"));
        Assert.EndsWith("b is empty; a class needs images.", Error(_grey), StringComparison.Ordinal);
        Write(["pets", "b", "x.png"], 1);
        Write(["pets", "c", "x.png"], 1);
        Assert.Equal("pets: binary-classification tells two classes apart; there are 3: a, b, c. For more: task: classification.",
            Error(_grey, TaskKind.BinaryClassification));
        Assert.Contains("Make size smaller.", ErrorOfMany(), StringComparison.Ordinal);
    }

    private string ErrorOfMany()
    {
        for (var i = 0; i < 350; i++) File.WriteAllText(_folder.At("pets", "a", $"{i}.png"), "");
        return Error(_grey with { Size = [1024, 1024], Grey = false });
    }

    private DataSet Load(FolderData data, TaskKind? kind = null, long seed = 1) =>
        DataSets.Load(Job.Default with { Task = (kind ?? TaskKind.Classification).Name, Data = data, Seed = seed },
            new() { DataDirectory = _folder.Path });

    private string Error(FolderData data, TaskKind? kind = null) => Assert.Throws<DataException>(() => Load(data, kind)).Message;

    private void Write(string[] path, byte shade, SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using var bitmap = new SKBitmap(4, 3, SKColorType.Gray8, SKAlphaType.Opaque);
        bitmap.Erase(new(shade, shade, shade));
        Save(bitmap, path, format);
    }

    private void Save(SKBitmap bitmap, string[] path, SKEncodedImageFormat format)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.At(path))!);
        using var file = File.Create(_folder.At(path));
        Assert.True(bitmap.Encode(file, format, 100));
    }

    // The shade and the class of images of one shade.
    private static List<(int Shade, int Class)> Samples(ImageSet set) => [.. Enumerable.Range(0, set.Count).Select(sample =>
        ((int)Assert.Single(set.Pixels.Slice(sample * set.SampleSize, set.SampleSize).ToArray().Distinct()), (int)set.Labels[sample]))];
}
