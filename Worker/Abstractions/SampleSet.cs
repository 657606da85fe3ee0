using System.IO.Hashing;

namespace Distributed.Worker.Abstractions;

/// <summary>The shape of the samples of a data set: all that a model needs to know of them.</summary>
public abstract record SampleFormat
{
    /// <summary>Sizes of the inputs' dimensions, each at least 1: [columns] of a table, [channels, height, width] of an image.</summary>
    public abstract IReadOnlyList<int> Shape { get; }

    /// <summary>Sizes of the dimensions of a sample's target; empty if the target is one number.</summary>
    public virtual IReadOnlyList<int> TargetShape => [];

    /// <summary>Number of classes, numbered from 0; 0 if the targets are any numbers.</summary>
    public abstract int Classes { get; init; }

    /// <summary>Number of values of a sample's inputs: the product of <see cref="Shape"/>.</summary>
    public int SampleSize => SizeOf(Shape);

    /// <summary>Number of outputs that most tasks need per sample: <see cref="Classes"/>, or else <see cref="TargetSize"/>.</summary>
    public int Outputs => Classes > 0 ? Classes : TargetSize;

    /// <summary>Number of values of a sample's target: the product of <see cref="TargetShape"/>, 1 if that is empty.</summary>
    public int TargetSize => SizeOf(TargetShape);

    private static int SizeOf(IReadOnlyList<int> shape) => shape.Aggregate(1, (size, dimension) => checked(size * dimension));
}

/// <summary>Samples of one format, each with inputs and a target. Immutable, so any number of threads may read it.</summary>
public abstract class SampleSet
{
    /// <summary>The shape of its samples.</summary>
    public abstract SampleFormat Format { get; }

    /// <summary>Number of samples; at least 1.</summary>
    public abstract int Count { get; }

    /// <summary>Writes samples as a model takes them, in the order of <paramref name="indices"/>.</summary>
    /// <param name="indices">Numbers of samples, each 0 to <see cref="Count"/> - 1; a number may occur twice.</param>
    /// <param name="inputs">
    /// Receives exactly indices.Length × <see cref="SampleFormat.SampleSize"/> values, last dimension fastest; pixels lie between 0 and 1.
    /// </param>
    /// <param name="targets">Receives exactly indices.Length × <see cref="SampleFormat.TargetSize"/> values.</param>
    /// <exception cref="ArgumentException">A span has the wrong length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The set has no sample of such a number; both spans are then undefined.</exception>
    public void CopyTo(ReadOnlySpan<int> indices, Span<float> inputs, Span<float> targets)
    {
        var (size, targetSize) = (Format.SampleSize, Format.TargetSize);
        Require(inputs.Length, indices.Length, size, nameof(inputs));
        Require(targets.Length, indices.Length, targetSize, nameof(targets));
        for (var i = 0; i < indices.Length; i++)
        {
            if ((uint)indices[i] >= (uint)Count)
                throw new ArgumentOutOfRangeException(nameof(indices), indices[i], $"The set has samples 0 to {Count - 1}.");
            Copy(indices[i], inputs.Slice(i * size, size), targets.Slice(i * targetSize, targetSize));
        }
    }

    /// <summary>Writes one sample.</summary>
    /// <param name="sample">Its number, 0 to <see cref="Count"/> - 1.</param>
    /// <param name="inputs">Receives <see cref="SampleFormat.SampleSize"/> values.</param>
    /// <param name="target">Receives <see cref="SampleFormat.TargetSize"/> values.</param>
    protected abstract void Copy(int sample, Span<float> inputs, Span<float> target);

    /// <summary>Appends the format and all samples.</summary>
    internal abstract void AppendTo(XxHash128 hash);

    private static void Require(int length, int samples, int size, string name)
    {
        if (length != (long)samples * size)
            throw new ArgumentException($"The {name} of {samples} samples are {(long)samples * size} values; the span has {length}.", name);
    }
}
