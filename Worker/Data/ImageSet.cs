using System.IO.Hashing;
using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// Labelled images of one shape, kept as bytes (a quarter of their size as floats) and scaled when a micro-batch
/// is copied out.
/// </summary>
internal sealed class ImageSet : SampleSet
{
    private readonly ReadOnlyMemory<byte> _pixels;
    private readonly ReadOnlyMemory<byte> _labels;

    /// <summary>Wraps the bytes without copying them: the caller gives them up.</summary>
    /// <param name="pixels">Count × channels × height × width bytes, in that order.</param>
    /// <param name="channels">At least 1, as are <paramref name="height"/> and <paramref name="width"/>.</param>
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

    public override int Count => _labels.Length;

    /// <summary>Channels of an image: 1 for grey.</summary>
    public int Channels { get; }

    public int Height { get; }

    public int Width { get; }

    /// <summary>Number of classes; labels are 0 to this minus one.</summary>
    public int Classes { get; }

    public float Scale { get; }

    /// <summary>Values of one image: channels × height × width.</summary>
    public int SampleSize { get; }

    public override ImageFormat Format => new(Channels, Height, Width, Classes, Scale);

    /// <summary>The raw pixels, NCHW.</summary>
    public ReadOnlySpan<byte> Pixels => _pixels.Span;

    /// <summary>The raw labels, one a sample.</summary>
    public ReadOnlySpan<byte> Labels => _labels.Span;

    protected override void Copy(int sample, Span<float> inputs, Span<float> target)
    {
        Scaled(Pixels.Slice(sample * SampleSize, SampleSize), inputs);
        target[0] = Labels[sample];
    }

    /// <summary>A copy of some of the images, as a set of their own.</summary>
    /// <param name="samples">Their numbers, in the order wanted.</param>
    /// <param name="classes">Number of classes; those of this set by default.</param>
    /// <exception cref="DataException">A label is not below <paramref name="classes"/>, or there are no samples.</exception>
    public ImageSet Select(IReadOnlyList<int> samples, int? classes = null)
    {
        var (pixels, labels) = (new byte[samples.Count * SampleSize], new byte[samples.Count]);
        for (var i = 0; i < samples.Count; i++)
        {
            Pixels.Slice(samples[i] * SampleSize, SampleSize).CopyTo(pixels.AsSpan(i * SampleSize));
            labels[i] = Labels[samples[i]];
        }
        return new(pixels, labels, Channels, Height, Width, classes ?? Classes, Scale);
    }

    /// <summary>The same images, of another number of classes.</summary>
    /// <exception cref="DataException">A label is not below <paramref name="classes"/>.</exception>
    public ImageSet WithClasses(int classes) => new(_pixels, _labels, Channels, Height, Width, classes, Scale);

    internal override void AppendTo(XxHash128 hash)
    {
        DataSet.Append(hash, Count, Channels, Height, Width, Classes, BitConverter.SingleToInt32Bits(Scale));
        hash.Append(Pixels);
        hash.Append(Labels);
    }

    /// <summary>The sample number of the first label that is no class, or -1.</summary>
    internal static int IndexOfLabelFrom(int classes, ReadOnlySpan<byte> labels) =>
        classes > byte.MaxValue ? -1 : labels.IndexOfAnyInRange((byte)classes, byte.MaxValue);

    private void Scaled(ReadOnlySpan<byte> pixels, Span<float> values)
    {
        for (var i = 0; i < values.Length; i++) values[i] = pixels[i] * Scale;
    }
}
