using System.IO.Hashing;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <param name="Classes">Number of classes; 0 if a target is any number.</param>
internal sealed record ArrayFormat(ValueList<int> Sizes, int Classes) : SampleFormat
{
    public override IReadOnlyList<int> Shape => Sizes;
    public override int Classes { get; init; } = Classes;
}

/// <summary>Arrays of numbers, such as the rows of a table, each with a number or a class as its target.</summary>
internal sealed class ArraySet : SampleSet
{
    private readonly ReadOnlyMemory<float> _values;
    private readonly ReadOnlyMemory<float> _targets;

    /// <summary>Wraps the numbers without copying them; the caller must not change them afterwards.</summary>
    public ArraySet(ReadOnlyMemory<float> values, ReadOnlyMemory<float> targets, ArrayFormat format)
    {
        if (targets.Length == 0) throw new DataException("A set of arrays needs at least one sample; this one has none.");
        if (format.SampleSize == 0 || values.Length != (long)targets.Length * format.SampleSize)
            throw new DataException($"{targets.Length} samples need {format.SampleSize} values each (at least 1), not {values.Length}.");
        if (FirstInfinite(values.Span) is var input and >= 0)
            throw new DataException($"Sample {input / format.SampleSize} has input {values.Span[input]}; a finite number is expected.");
        if (FirstInfinite(targets.Span) is var target and >= 0)
            throw new DataException($"Sample {target} has target {targets.Span[target]}; a finite number is expected.");
        for (var i = 0; format.Classes > 0 && i < targets.Length; i++)
        {
            if (!IsClass(targets.Span[i], format.Classes))
                throw new DataException($"Sample {i} has class {targets.Span[i]}; allowed are 0 to {format.Classes - 1}.");
        }
        (_values, _targets, Format) = (values, targets, format);
    }

    public override ArrayFormat Format { get; }
    public override int Count => _targets.Length;
    public float LargestTarget => TensorPrimitives.Max(_targets.Span);

    public static bool IsClass(float target, int classes) => target >= 0 && target < classes && target == MathF.Floor(target);

    public ArraySet WithClasses(int classes) => new(_values, _targets, Format with { Classes = classes });

    /// <summary>Copies the samples of these numbers, in this order.</summary>
    public ArraySet Select(IReadOnlyList<int> samples) =>
        new(Split.Gather(_values.Span, Format.SampleSize, samples), Split.Gather(_targets.Span, 1, samples), Format);

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

    private static int FirstInfinite(ReadOnlySpan<float> numbers)
    {
        for (var i = 0; i < numbers.Length; i++)
            if (!float.IsFinite(numbers[i])) return i;
        return -1;
    }
}
