using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

/// <summary>
/// A user's arrays, used as they are; bytes, which are pixels, are scaled from 0 to 255 to 0 to 1. [samples, rows, columns] are images of one channel,
/// [samples, channels, rows, columns] images too.
/// </summary>
internal static class NpyArrays
{
    private const string Bytes = "|u1";

    /// <summary>The usable samples of a pair of files.</summary>
    private sealed record Arrays(string Path, ValueList<int> Sizes, ReadOnlyMemory<float> Values, ReadOnlyMemory<float> Targets)
    {
        public int Count => Targets.Length;

        public int Largest => (int)System.Numerics.Tensors.TensorPrimitives.Max(Targets.Span);

        public ArraySet Set(IReadOnlyList<int> samples, int classes)
        {
            var size = Values.Length / Count;
            var (values, targets) = (new float[samples.Count * size], new float[samples.Count]);
            for (var i = 0; i < samples.Count; i++)
            {
                Values.Span.Slice(samples[i] * size, size).CopyTo(values.AsSpan(i * size));
                targets[i] = Targets.Span[samples[i]];
            }
            return new(values, targets, new(Sizes, classes));
        }

        public ArraySet Set(int classes) => new(Values, Targets, new(Sizes, classes));
    }

    /// <summary>Reads a job's arrays.</summary>
    /// <exception cref="DataException">They cannot be read, or do not fit the job.</exception>
    public static DataSet Load(NpyData data, TaskKind kind, long seed, DataOptions options)
    {
        var isClass = kind != TaskKind.Regression;
        List<string> notes = [];
        var train = Read(data.Path, data.Targets);
        var test = data.TestPath is { } path ? Read(path, data.TestTargets!) : null;
        if (test is not null && !test.Sizes.Equals(train.Sizes)) throw new DataException($"a sample of {test.Path} has the shape {test.Sizes}, one of {train.Path} {train.Sizes}; they must agree.");
        var classes = isClass ? 1 + Math.Max(train.Largest, test?.Largest ?? 0) : 0;
        var names = Enumerable.Range(0, classes).Select(number => $"{number}");
        if (test is not null) return new(data.Name, train.Set(classes), test.Set(classes)) { Classes = [.. names], Notes = notes };
        var split = OwnDataSets.Draw(data, train.Count, seed);
        return new(data.Name, train.Set(split.Train, classes), train.Set(split.Test, classes)) { Classes = [.. names], Notes = notes };

        Arrays Read(string inputs, string targets) => Usable(NpyFile.Read(options.Locate(inputs)), NpyFile.Read(options.Locate(targets)), isClass, data.SkipsBadSamples, notes);
    }

    private static Arrays Usable(NpyFile inputs, NpyFile targets, bool isClass, bool skipsBad, List<string> notes)
    {
        var count = inputs.Shape[0];
        if (targets.Shape.Skip(1).Any(size => size != 1))
            throw new DataException($"{targets.Name} has the shape [{string.Join(", ", targets.Shape)}]; a target is one number: [samples] or [samples, 1] is expected.");
        if (targets.Shape[0] != count) throw new DataException($"{inputs.Name} has {count} samples, {targets.Name} {targets.Shape[0]} targets; they must agree.");
        var size = inputs.Values.Length / count;
        var values = inputs.Values.Span;
        var numbers = targets.Values.Span;
        var bad = new BadSamples(inputs.Name, skipsBad);
        var good = 0;
        for (var sample = 0; sample < count; sample++)
        {
            var own = values.Slice(sample * size, size);
            if (Fault(own, numbers[sample], isClass) is { } fault)
            {
                bad.Add($"sample {sample} {fault}");
                continue;
            }
            own.CopyTo(values[(good * size)..]);
            numbers[good++] = numbers[sample];
        }
        if (bad.End(good) is { } note) notes.Add(note);
        if (inputs.Type == Bytes)
            for (var i = 0; i < good * size; i++) values[i] /= byte.MaxValue;
        return new(inputs.Name, SizesOf(inputs.Shape), inputs.Values[..(good * size)], targets.Values[..good]);
    }

    private static ValueList<int> SizesOf(IReadOnlyList<int> shape) => shape.Count switch
    {
        1 => [1],
        3 => [1, .. shape.Skip(1)],
        _ => [.. shape.Skip(1)],
    };

    private static string? Fault(ReadOnlySpan<float> values, float target, bool isClass)
    {
        foreach (var value in values)
            if (!float.IsFinite(value)) return $"has the input {value}; a finite number is expected";
        return true switch
        {
            _ when isClass && !(target >= 0 && target < DataDescription.MaxClasses && target == MathF.Floor(target)) => $"has the class {target}; allowed: whole numbers from 0 to {DataDescription.MaxClasses - 1}",
            _ when !float.IsFinite(target) => $"has the target {target}; a finite number is expected",
            _ => null,
        };
    }
}
