namespace Distributed.Worker.Data;

/// <summary>
/// Labelled images of one shape, kept as bytes (a quarter of their size as floats) and scaled when a micro-batch
/// is copied out. Immutable, so any number of threads may read it.
/// </summary>
public sealed class ImageSet
{
    private readonly ReadOnlyMemory<byte> _pixels;
    private readonly ReadOnlyMemory<byte> _labels;

    /// <summary>Wraps the bytes without copying them: the caller gives them up.</summary>
    /// <param name="pixels">Count × channels × height × width bytes, in that order.</param>
    /// <param name="labels">One class number a sample.</param>
    /// <param name="channels">At least 1, as are <paramref name="height"/> and <paramref name="width"/>.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="classes">Number of classes, 1 to 256.</param>
    /// <param name="scale">What a pixel is multiplied with to lie in 0..1.</param>
    /// <exception cref="DataException">The sizes do not fit, the set is empty, or a label is not below <paramref name="classes"/>.</exception>
    public ImageSet(ReadOnlyMemory<byte> pixels, ReadOnlyMemory<byte> labels, int channels, int height, int width, int classes, float scale)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(classes, 256);
        if (labels.IsEmpty) throw new DataException("An image set needs at least one sample; this one has none.");
        var sampleSize = checked(channels * height * width);
        if (pixels.Length != (long)labels.Length * sampleSize)
            throw new DataException($"{labels.Length} images of {channels}x{height}x{width} are {(long)labels.Length * sampleSize} pixels; there are {pixels.Length}.");
        if (IndexOfLabelFrom(classes, labels.Span) is var wrong and >= 0)
            throw new DataException($"Sample {wrong} has label {labels.Span[wrong]}; allowed are 0 to {classes - 1}.");
        (_pixels, _labels) = (pixels, labels);
        (Channels, Height, Width, Classes, Scale, SampleSize) = (channels, height, width, classes, scale, sampleSize);
    }

    /// <summary>Number of samples.</summary>
    public int Count => _labels.Length;

    /// <summary>Channels of an image: 1 for grey.</summary>
    public int Channels { get; }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    /// <summary>Number of classes; labels are 0 to this minus one.</summary>
    public int Classes { get; }

    /// <summary>What a raw pixel is multiplied with.</summary>
    public float Scale { get; }

    /// <summary>Values of one image: channels × height × width.</summary>
    public int SampleSize { get; }

    /// <summary>What its images have in common.</summary>
    public ImageFormat Format => new(Channels, Height, Width, Classes, Scale);

    /// <summary>The raw pixels, NCHW.</summary>
    public ReadOnlySpan<byte> Pixels => _pixels.Span;

    /// <summary>The raw labels, one a sample.</summary>
    public ReadOnlySpan<byte> Labels => _labels.Span;

    /// <summary>Writes a micro-batch: the samples at <paramref name="indices"/>, in that order, pixels scaled to 0..1.</summary>
    /// <param name="indices">Sample numbers, each 0 to <see cref="Count"/> - 1; one may occur twice.</param>
    /// <param name="images">NCHW, exactly indices.Length × <see cref="SampleSize"/> values.</param>
    /// <param name="labels">Exactly indices.Length values.</param>
    /// <exception cref="ArgumentException">A span has the wrong length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index lies outside the set; what was written is then unspecified.</exception>
    public void CopyTo(ReadOnlySpan<int> indices, Span<float> images, Span<long> labels)
    {
        if (images.Length != (long)indices.Length * SampleSize)
            throw new ArgumentException($"{indices.Length} samples are {(long)indices.Length * SampleSize} values; there is room for {images.Length}.", nameof(images));
        if (labels.Length != indices.Length)
            throw new ArgumentException($"{indices.Length} samples have as many labels; there is room for {labels.Length}.", nameof(labels));

        for (var i = 0; i < indices.Length; i++)
        {
            var sample = indices[i];
            if ((uint)sample >= (uint)Count)
                throw new ArgumentOutOfRangeException(nameof(indices), sample, $"The set has samples 0 to {Count - 1}.");
            labels[i] = Labels[sample];
            Scaled(Pixels.Slice(sample * SampleSize, SampleSize), images.Slice(i * SampleSize, SampleSize));
        }
    }

    /// <summary>The sample number of the first label that is no class, or -1.</summary>
    internal static int IndexOfLabelFrom(int classes, ReadOnlySpan<byte> labels) =>
        classes > byte.MaxValue ? -1 : labels.IndexOfAnyInRange((byte)classes, byte.MaxValue);

    private void Scaled(ReadOnlySpan<byte> pixels, Span<float> values)
    {
        for (var i = 0; i < values.Length; i++) values[i] = pixels[i] * Scale;
    }
}
