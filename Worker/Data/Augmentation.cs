using Distributed.Core;
using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

// Changes training images at random. The change depends on the seed, the epoch and the sample alone: not on the other samples of the
// micro-batch, nor on the worker that computes it, nor on how often.
internal sealed class Augmentation : IAugmentation
{
    private readonly AugmentSpec _spec;
    private readonly ImageFormat _format;
    private readonly long _seed;

    public Augmentation(AugmentSpec spec, ImageFormat format, long seed)
    {
        var side = Math.Min(format.Height, format.Width);
        Require("crop", spec.Crop);
        Require("cutout", spec.Cutout);
        (_spec, _format, _seed) = (spec, format, seed);

        void Require(string key, int pixels)
        {
            if (pixels < side) return;
            throw new DataException($"augment.{key} is {pixels}; the images are {format.Height}x{format.Width}, so at most {side - 1} "
                + "is allowed, or nothing might be left of one");
        }
    }

    private enum Use
    {
        Flip,
        Down,
        Right,
        CentreRow,
        CentreColumn,
    }

    public void Apply(int epoch, int sample, Span<float> image)
    {
        var (height, width) = (_format.Height, _format.Width);
        var name = (long)Permutation.Mix(_seed, epoch, sample);
        if (_spec.Crop is var crop and > 0)
            ImageTransforms.Shift(image, height, width, Below((2 * crop) + 1, Use.Down) - crop, Below((2 * crop) + 1, Use.Right) - crop);
        if (_spec.Flip && Below(2, Use.Flip) == 1) ImageTransforms.Flip(image, width);
        if (_spec.Cutout is var side and > 0)
        {
            var (row, column) = (Below(height, Use.CentreRow), Below(width, Use.CentreColumn));
            ImageTransforms.Blacken(image, height, width, row - (side / 2), column - (side / 2), side);
        }

        // Biased by less than 2^-32.
        int Below(int bound, Use use) => (int)Math.BigMul(Permutation.Mix(name, (long)use, 0), (ulong)bound, out _);
    }
}

/// <summary>Changes images in place: channels × height × width values, row by row.</summary>
internal static class ImageTransforms
{
    public static void Flip(Span<float> image, int width)
    {
        for (var row = 0; row < image.Length; row += width) image.Slice(row, width).Reverse();
    }

    /// <summary>Moves the image by less than its sides, down and right or, if negative, up and left. Uncovered pixels become 0.</summary>
    public static void Shift(Span<float> image, int height, int width, int down, int right)
    {
        var offset = (down * width) + right;
        for (var channel = 0; channel < image.Length; channel += height * width)
        {
            var plane = image.Slice(channel, height * width);
            if (offset >= 0) plane[..^offset].CopyTo(plane[offset..]);
            else plane[-offset..].CopyTo(plane);
            // Values that moved into a neighbouring row are in uncovered columns.
            for (var y = 0; y < height; y++)
            {
                var row = plane.Slice(y * width, width);
                if ((uint)(y - down) >= (uint)height) row.Clear();
                else if (right >= 0) row[..right].Clear();
                else row[^-right..].Clear();
            }
        }
    }

    /// <summary>Sets a square to 0; parts of it may lie outside the image.</summary>
    public static void Blacken(Span<float> image, int height, int width, int top, int left, int side)
    {
        var (firstRow, endRow) = (Math.Max(0, top), Math.Min(height, top + side));
        var (first, end) = (Math.Max(0, left), Math.Min(width, left + side));
        if (first >= end) return;
        for (var channel = 0; channel < image.Length; channel += height * width)
            for (var y = firstRow; y < endRow; y++) image.Slice(channel + (y * width) + first, end - first).Clear();
    }
}
