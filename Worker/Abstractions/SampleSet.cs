using System.IO.Hashing;

namespace Distributed.Worker.Abstractions;

/// <summary>What the samples of a data set have in common: all that a model for them needs to know.</summary>
public abstract record SampleFormat
{
    /// <summary>Sizes of the dimensions of a sample's inputs.</summary>
    public abstract IReadOnlyList<int> Shape { get; }

    /// <summary>Sizes of the dimensions of a sample's target; none where it is one number.</summary>
    public virtual IReadOnlyList<int> TargetShape => [];

    /// <summary>Number of classes, of which a target is one; 0 where a target is any number.</summary>
    public abstract int Classes { get; init; }

    /// <summary>Values of a sample's inputs.</summary>
    public int SampleSize => SizeOf(Shape);

    /// <summary>Numbers that a model gives for a sample, where its task asks for nothing else: one a class, or as many as a target has.</summary>
    public int Outputs => Classes > 0 ? Classes : TargetSize;

    /// <summary>Values of a sample's target.</summary>
    public int TargetSize => SizeOf(TargetShape);

    private static int SizeOf(IReadOnlyList<int> shape) => shape.Aggregate(1, (size, dimension) => checked(size * dimension));
}

/// <summary>Samples of one format, each with inputs and a target. Immutable, so any number of threads may read it.</summary>
public abstract class SampleSet
{
    /// <summary>What its samples have in common.</summary>
    public abstract SampleFormat Format { get; }

    /// <summary>Number of samples, at least 1.</summary>
    public abstract int Count { get; }

    /// <summary>Writes a micro-batch: the samples at <paramref name="indices"/>, in that order, as the model takes them.</summary>
    /// <param name="indices">Sample numbers, each 0 to <see cref="Count"/> - 1; one may occur twice.</param>
    /// <param name="inputs">Exactly indices.Length × <see cref="SampleFormat.SampleSize"/> values.</param>
    /// <param name="targets">Exactly indices.Length × <see cref="SampleFormat.TargetSize"/> values.</param>
    /// <exception cref="ArgumentException">A span has the wrong length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An index lies outside the set; what was written is then unspecified.</exception>
    public void CopyTo(ReadOnlySpan<int> indices, Span<float> inputs, Span<float> targets)
    {
        var (size, targetSize) = (Format.SampleSize, Format.TargetSize);
        if (inputs.Length != (long)indices.Length * size)
            throw new ArgumentException($"{indices.Length} samples are {(long)indices.Length * size} values; there is room for {inputs.Length}.", nameof(inputs));
        if (targets.Length != (long)indices.Length * targetSize)
            throw new ArgumentException($"The targets of {indices.Length} samples are {(long)indices.Length * targetSize} values; there is room for {targets.Length}.", nameof(targets));
        for (var i = 0; i < indices.Length; i++)
        {
            if ((uint)indices[i] >= (uint)Count) throw new ArgumentOutOfRangeException(nameof(indices), indices[i], $"The set has samples 0 to {Count - 1}.");
            Copy(indices[i], inputs.Slice(i * size, size), targets.Slice(i * targetSize, targetSize));
        }
    }

    /// <summary>Writes one sample.</summary>
    /// <param name="sample">Its number.</param>
    /// <param name="inputs"><see cref="SampleFormat.SampleSize"/> values.</param>
    /// <param name="target"><see cref="SampleFormat.TargetSize"/> values.</param>
    protected abstract void Copy(int sample, Span<float> inputs, Span<float> target);

    /// <summary>Appends all that the set consists of.</summary>
    internal abstract void AppendTo(XxHash128 hash);
}
