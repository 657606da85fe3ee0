using System.IO.Hashing;
using System.Numerics.Tensors;
using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <param name="Channels">1 for grey, 3 for red, green and blue.</param>
/// <param name="Scale">Factor that maps raw pixels to 0..1.</param>
internal sealed record ImageFormat(int Channels, int Height, int Width, int Classes, float Scale) : SampleFormat
{
    /// <summary>Largest number of classes: a label is a byte.</summary>
    public const int MaxClasses = 256;

    public override IReadOnlyList<int> Shape => [Channels, Height, Width];
    public override int Classes { get; init; } = Classes;

    /// <summary>The largest raw pixel, such as 16 for 17 shades from black to white.</summary>
    public int Brightest => (int)MathF.Round(1 / Scale);
}

/// <summary>Labelled images of one shape, kept as bytes (a quarter of their size as floats) and scaled when they are copied.</summary>
internal sealed class ImageSet : SampleSet
{
    private readonly ReadOnlyMemory<byte> _pixels;
    private readonly ReadOnlyMemory<byte> _labels;

    /// <summary>Wraps the bytes without copying them; the caller must not change them afterwards.</summary>
    /// <param name="pixels">Raw pixels, NCHW.</param>
    public ImageSet(ReadOnlyMemory<byte> pixels, ReadOnlyMemory<byte> labels, ImageFormat format)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(format.Channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(format.Height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(format.Width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(format.Classes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(format.Classes, ImageFormat.MaxClasses);
        if (labels.IsEmpty) throw new DataException("An image set needs at least one sample; this one has none.");
        (_pixels, _labels, Format, SampleSize) = (pixels, labels, format, format.SampleSize);
        if (pixels.Length != (long)labels.Length * SampleSize)
            throw new DataException($"{labels.Length} images of {string.Join('x', format.Shape)} do not have {pixels.Length} pixels.");
        if (IndexOfLabelFrom(format.Classes, labels.Span) is var wrong and >= 0)
            throw new DataException($"Sample {wrong} has label {labels.Span[wrong]}; allowed are 0 to {format.Classes - 1}.");
    }

    public override ImageFormat Format { get; }
    public override int Count => _labels.Length;
    public int Height => Format.Height;
    public int Width => Format.Width;
    public float Scale => Format.Scale;
    public int SampleSize { get; }
    public ReadOnlySpan<byte> Pixels => _pixels.Span;
    public ReadOnlySpan<byte> Labels => _labels.Span;
    public byte LargestLabel => TensorPrimitives.Max(Labels);

    /// <summary>Copies the samples of these numbers, in this order.</summary>
    public ImageSet Select(IReadOnlyList<int> samples) =>
        new(Split.Gather(Pixels, SampleSize, samples), Split.Gather(Labels, 1, samples), Format);

    public ImageSet WithClasses(int classes) => new(_pixels, _labels, Format with { Classes = classes });

    protected override void Copy(int sample, Span<float> inputs, Span<float> target)
    {
        var scale = Scale;
        var pixels = Pixels.Slice(sample * SampleSize, SampleSize);
        for (var i = 0; i < inputs.Length; i++) inputs[i] = pixels[i] * scale;
        target[0] = Labels[sample];
    }

    internal override void AppendTo(XxHash128 hash)
    {
        DataSet.Append(hash, [Count, .. Format.Shape, Format.Classes, BitConverter.SingleToInt32Bits(Scale)]);
        hash.Append(Pixels);
        hash.Append(Labels);
    }

    /// <summary>The first sample whose label is not below the number of classes, or -1.</summary>
    internal static int IndexOfLabelFrom(int classes, ReadOnlySpan<byte> labels) =>
        classes > byte.MaxValue ? -1 : labels.IndexOfAnyInRange((byte)classes, byte.MaxValue);
}
