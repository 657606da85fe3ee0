namespace Distributed.Worker.Data;

/// <summary>A pair of IDX files, grey images (count × height × width) and labels (count), as an <see cref="ImageSet"/>.</summary>
public static class IdxImages
{
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
}
