using Distributed.Core;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>Fashion-MNIST: grey 28×28 images of ten kinds of clothing, 60,000 to train on and 10,000 to test on.</summary>
internal static class FashionMnist
{
    private const int Side = 28, Classes = 10;

    /// <summary>What its images are like, known without reading them.</summary>
    public static ImageFormat Format { get; } = new(1, Side, Side, Classes, 1f / byte.MaxValue);

    /// <summary>Reads the files from where they are (<see cref="FashionMnistFiles.FindOrDownload"/>).</summary>
    /// <exception cref="DataException">They cannot be had, or one is malformed.</exception>
    public static DataSet Load(DataOptions options)
    {
        var folder = FashionMnistFiles.FindOrDownload(options);
        return new DataSet(FashionMnistFiles.Name,
            Read(folder, FashionMnistFiles.TrainImages, FashionMnistFiles.TrainLabels),
            Read(folder, FashionMnistFiles.TestImages, FashionMnistFiles.TestLabels));
    }

    private static ImageSet Read(string folder, PublishedFile images, PublishedFile labels)
    {
        var imagesPath = FashionMnistFiles.PathIn(folder, images)!;
        var set = IdxImages.Read(imagesPath, FashionMnistFiles.PathIn(folder, labels)!, Classes);
        return set is { Height: Side, Width: Side }
            ? set
            : throw new DataException($"{imagesPath}, byte 8: images are {set.Height}x{set.Width}; {FashionMnistFiles.Name} has {Side}x{Side}.");
    }
}
