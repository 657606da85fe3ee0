using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>Fashion-MNIST: grey 28×28 images of ten kinds of clothing, 60,000 for training and 10,000 for testing.</summary>
internal static class FashionMnist
{
    private const int Side = 28, Classes = 10;

    public static ImageFormat Format { get; } = new(1, Side, Side, Classes, 1f / byte.MaxValue);

    // The classes' names are from the data set's README.
    public static DataSource Source { get; } = DataSource.Known(FashionMnistFiles.Name, Format, Load,
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot");

    public static DataSet Load(DataOptions options)
    {
        var folder = FashionMnistFiles.FindOrDownload(options);
        return new DataSet(FashionMnistFiles.Name,
            Read(folder, FashionMnistFiles.TrainImages, FashionMnistFiles.TrainLabels),
            Read(folder, FashionMnistFiles.TestImages, FashionMnistFiles.TestLabels));
    }

    private static ImageSet Read(string folder, PublishedFile images, PublishedFile labels)
    {
        var path = FashionMnistFiles.PathIn(folder, images)!;
        var set = IdxImages.Read(path, FashionMnistFiles.PathIn(folder, labels)!, Classes);
        return set is { Height: Side, Width: Side } ? set : throw new DataException(
            $"{path}, byte 8: images are {set.Height}x{set.Width}; {FashionMnistFiles.Name} has {Side}x{Side}.");
    }
}
