using System.IO.Hashing;
using System.Runtime.InteropServices;
using Distributed.Core;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>What the rows of a table have in common.</summary>
/// <param name="Columns">Values of a row, without its target.</param>
/// <param name="Classes">Number of classes; 0 where a target is any number.</param>
internal sealed record TableFormat(int Columns, int Classes) : SampleFormat
{
    public override IReadOnlyList<int> Shape => [Columns];

    public override int Classes { get; init; } = Classes;
}

/// <summary>Rows of numbers, each with a target.</summary>
internal sealed class TableSet : SampleSet
{
    private readonly float[] _values;
    private readonly float[] _targets;

    /// <summary>Wraps the numbers without copying them: the caller gives them up.</summary>
    /// <param name="values">Row after row.</param>
    /// <param name="classes">Number of classes; 0 where a target is any number.</param>
    /// <exception cref="DataException">The sizes do not fit, the set is empty, or a target is not finite or no class.</exception>
    public TableSet(float[] values, float[] targets, int classes)
    {
        if (targets.Length == 0) throw new DataException("A table needs at least one row; this one has none.");
        if (values.Length == 0 || values.Length % targets.Length != 0)
            throw new DataException($"{targets.Length} rows have the same number of values each, at least 1; there are {values.Length} values.");
        if (Array.FindIndex(values, value => !float.IsFinite(value)) is var far and >= 0)
            throw new DataException($"Row {far / (values.Length / targets.Length)} has input {values[far]}; a finite number is expected.");
        if (Array.FindIndex(targets, target => !float.IsFinite(target)) is var odd and >= 0) throw new DataException($"Row {odd} has target {targets[odd]}; a finite number is expected.");
        if (classes > 0 && Array.FindIndex(targets, target => !(target >= 0 && target < classes && target == MathF.Floor(target))) is var wrong and >= 0)
            throw new DataException($"Row {wrong} has class {targets[wrong]}; allowed are 0 to {classes - 1}.");
        (_values, _targets, Format) = (values, targets, new(values.Length / targets.Length, classes));
    }

    public override TableFormat Format { get; }

    public override int Count => _targets.Length;

    protected override void Copy(int sample, Span<float> inputs, Span<float> target)
    {
        _values.AsSpan(sample * Format.Columns, Format.Columns).CopyTo(inputs);
        target[0] = _targets[sample];
    }

    internal override void AppendTo(XxHash128 hash)
    {
        DataSet.Append(hash, Count, Format.Columns, Format.Classes);
        hash.Append(MemoryMarshal.AsBytes(_values.AsSpan()));
        hash.Append(MemoryMarshal.AsBytes(_targets.AsSpan()));
    }
}
