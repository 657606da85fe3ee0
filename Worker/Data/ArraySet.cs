using System.IO.Hashing;
using System.Runtime.InteropServices;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <param name="Sizes">Sizes of the dimensions of a sample's inputs.</param>
/// <param name="Classes">Number of classes; 0 where a target is any number.</param>
internal sealed record ArrayFormat(ValueList<int> Sizes, int Classes) : SampleFormat
{
    public override IReadOnlyList<int> Shape => Sizes;

    public override int Classes { get; init; } = Classes;
}

/// <summary>Arrays of numbers, each with a target.</summary>
internal sealed class ArraySet : SampleSet
{
    private readonly ReadOnlyMemory<float> _values;
    private readonly ReadOnlyMemory<float> _targets;

    /// <summary>Wraps the numbers without copying them: the caller gives them up.</summary>
    /// <param name="values">Sample after sample.</param>
    /// <param name="targets">One a sample: a finite number, or a class.</param>
    /// <exception cref="DataException">The sizes do not fit, or the set is empty.</exception>
    public ArraySet(ReadOnlyMemory<float> values, ReadOnlyMemory<float> targets, ArrayFormat format)
    {
        if (targets.Length == 0) throw new DataException("A set of arrays needs at least one sample; this one has none.");
        if (values.Length != (long)targets.Length * format.SampleSize)
            throw new DataException($"{targets.Length} samples of {format.SampleSize} values are {(long)targets.Length * format.SampleSize}; there are {values.Length}.");
        (_values, _targets, Format) = (values, targets, format);
    }

    public override ArrayFormat Format { get; }

    public override int Count => _targets.Length;

    protected override void Copy(int sample, Span<float> inputs, Span<float> target)
    {
        _values.Span.Slice(sample * inputs.Length, inputs.Length).CopyTo(inputs);
        target[0] = _targets.Span[sample];
    }

    internal override void AppendTo(XxHash128 hash)
    {
        DataSet.Append(hash, [Count, .. Format.Sizes, Format.Classes]);
        hash.Append(MemoryMarshal.AsBytes(_values.Span));
        hash.Append(MemoryMarshal.AsBytes(_targets.Span));
    }
}
