using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>A pair of IDX files, grey images (count × height × width) and labels (count), as an <see cref="ImageSet"/>.</summary>
internal static class IdxImages
{
    // Labels are bytes.
    private const int MaxClasses = 256;

    /// <summary>Reads both files; pixels 0..255 are scaled to 0..1.</summary>
    /// <exception cref="DataException">A file is malformed, the counts differ, or a label is not below <paramref name="classes"/>.</exception>
    public static ImageSet Read(string imagesPath, string labelsPath, int classes)
    {
        var labels = IdxFile.Read(labelsPath, rank: 1);
        var images = IdxFile.Read(imagesPath, rank: 3);
        var count = labels.Dimensions[0];
        if (images.Dimensions[0] != count)
            throw new DataException($"{images.Name} has {images.Dimensions[0]} images, {labels.Name} {count} labels (byte 4 of each); they must agree.");
        if (ImageSet.IndexOfLabelFrom(classes, labels.Values.Span) is var wrong and >= 0)
            throw new DataException($"{labels.Name}, byte {labels.HeaderBytes + wrong}: label {labels.Values.Span[wrong]}; allowed are 0 to {classes - 1}.");
        return new ImageSet(images.Values, labels.Values, 1, images.Dimensions[1], images.Dimensions[2], classes, 1f / byte.MaxValue);
    }

    /// <summary>Reads a user's own files. There are as many classes as the largest label needs; they are called by their numbers.</summary>
    /// <exception cref="DataException">A file is malformed, or the counts or sizes differ.</exception>
    internal static DataSet Load(IdxData data, long seed, DataOptions options)
    {
        var all = Read(options.Locate(data.Path), options.Locate(data.Labels), MaxClasses);
        var test = data.TestPath is { } path ? Read(options.Locate(path), options.Locate(data.TestLabels!), MaxClasses) : null;
        if (test is not null && (test.Height, test.Width) != (all.Height, all.Width))
            throw new DataException($"{data.TestPath} has images of {test.Height}x{test.Width}, {data.Path} of {all.Height}x{all.Width}; they must agree.");
        var classes = 1 + Math.Max(Largest(all), test is null ? 0 : Largest(test));
        var split = test is null ? OwnDataSets.Draw(data, all.Count, seed) : null;
        return new(data.Name, split is null ? all.WithClasses(classes) : all.Select(split.Train, classes), test?.WithClasses(classes) ?? all.Select(split!.Test, classes))
        {
            Classes = [.. Enumerable.Range(0, classes).Select(number => $"{number}")],
        };
    }

    private static int Largest(ImageSet set) => System.Numerics.Tensors.TensorPrimitives.Max(set.Labels);
}
