using Distributed.Core;
using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// Changes images of training at random. How depends on the seed, the epoch and the sample alone: not on what else is in its
/// micro-batch, nor on who computes that, nor how often. Used by any number of threads.
/// </summary>
internal sealed class Augmentation : IAugmentation
{
    private readonly AugmentSpec _spec;
    private readonly ImageFormat _format;
    private readonly long _seed;

    /// <param name="spec">What may be done to them.</param>
    /// <exception cref="DataException">Nothing might be left of an image.</exception>
    public Augmentation(AugmentSpec spec, ImageFormat format, long seed)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(format);
        var side = Math.Min(format.Height, format.Width);
        Require("crop", spec.Crop);
        Require("cutout", spec.Cutout);
        (_spec, _format, _seed) = (spec, format, seed);

        void Require(string key, int pixels)
        {
            if (pixels >= side)
                throw new DataException($"augment.{key} is {pixels}; the images are {format.Height}x{format.Width}, so at most {side - 1} is allowed, or nothing might be left of one");
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

    /// <param name="epoch">0-based epoch in which it is used.</param>
    /// <param name="sample">Number of the sample in the training set.</param>
    public void Apply(int epoch, int sample, Span<float> image)
    {
        var (height, width) = (_format.Height, _format.Width);
        var name = (long)Permutation.Mix(_seed, epoch, sample);
        if (_spec.Crop is var crop and > 0)
            ImageTransforms.Shift(image, height, width, Below((2 * crop) + 1, name, Use.Down) - crop, Below((2 * crop) + 1, name, Use.Right) - crop);
        if (_spec.Flip && Below(2, name, Use.Flip) == 1) ImageTransforms.Flip(image, width);
        if (_spec.Cutout is var side and > 0)
            ImageTransforms.Blacken(image, height, width, Below(height, name, Use.CentreRow) - (side / 2), Below(width, name, Use.CentreColumn) - (side / 2), side);
    }

    /// <summary>A number from 0 to below the bound, biased by less than 2^-32.</summary>
    private static int Below(int bound, long name, Use use) => (int)Math.BigMul(Permutation.Mix(name, (long)use, 0), (ulong)bound, out _);
}
