namespace Distributed.Jobs;

/// <summary>
/// What is done at random to the images that are trained on, anew in each epoch; test images stay as they are. Depends on the job's
/// seed, the epoch and the sample alone.
/// </summary>
internal sealed record AugmentSpec
{
    /// <summary>Pixels that <see cref="Crop"/> and <see cref="Cutout"/> may have at most.</summary>
    public const int MaxPixels = 64;

    /// <summary>Whether half of the images, drawn at random, are mirrored left to right.</summary>
    public bool Flip { get; init; }

    /// <summary>
    /// Black pixels put around an image before a part of its size is cut out anywhere (He et al. 2016, section 4.2): moves it by up to
    /// so many pixels either way. 0 to <see cref="MaxPixels"/>, and less than the smaller side of the image.
    /// </summary>
    public int Crop { get; init; }

    /// <summary>
    /// Side of a black square, with its centre anywhere in the image (DeVries and Taylor 2017, "Cutout"); 0 for none, at most
    /// <see cref="MaxPixels"/>, and less than the smaller side of the image.
    /// </summary>
    public int Cutout { get; init; }
}
