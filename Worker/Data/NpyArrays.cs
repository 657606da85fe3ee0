using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Data;

// A user's arrays, unchanged, except that bytes, which are pixels, are scaled from 0..255 to 0..1. [samples, rows, columns] are images of
// one channel, [samples, channels, rows, columns] images too.
internal static class NpyArrays
{
    private const string Bytes = "|u1";

    public static DataSource Source { get; } = DataSource.Files<NpyData>(Load);

    private static DataSet Load(NpyData data, Job job, DataOptions options)
    {
        var isClass = job.Kind != TaskKind.Regression;
        List<string> notes = [];
        var all = Read(data.Path, data.Targets);
        var test = data.TestPath is { } path ? Read(path, data.TestTargets!) : null;
        if (test is not null && test.Format != all.Format)
        {
            throw new DataException($"a sample of {options.Locate(data.TestPath!)} has the shape {test.Format.Sizes}, "
                + $"one of {options.Locate(data.Path)} {all.Format.Sizes}; they must agree.");
        }
        var classes = isClass ? 1 + (int)Math.Max(all.LargestTarget, test?.LargestTarget ?? 0) : 0;
        var set = Split.DataSetOf(
            data, job.Seed, all.WithClasses(classes), test?.WithClasses(classes), static (set, samples) => set.Select(samples));
        return set with { Classes = DataSource.Numbers(classes), Notes = notes };

        ArraySet Read(string inputs, string targets) => Usable(
            NpyFile.Read(options.Locate(inputs)), NpyFile.Read(options.Locate(targets)), isClass, data.SkipsBadSamples, notes);
    }

    // The usable samples of a pair of files; classes are counted afterwards.
    private static ArraySet Usable(NpyFile inputs, NpyFile targets, bool isClass, bool skipsBad, List<string> notes)
    {
        var count = inputs.Shape[0];
        if (targets.Shape.Skip(1).Any(size => size != 1))
        {
            throw new DataException($"{targets.Name} has the shape [{string.Join(", ", targets.Shape)}]; a target is one number: "
                + "[samples] or [samples, 1] is expected.");
        }
        if (targets.Shape[0] != count)
            throw new DataException($"{inputs.Name} has {count} samples, {targets.Name} {targets.Shape[0]} targets; they must agree.");
        var size = inputs.Values.Length / count;
        var (values, numbers) = (inputs.Values, targets.Values);
        var good = new BadSamples(inputs.Name, skipsBad).Good(count, FaultOf, notes);
        if (good.Count < count)
            (values, numbers) = (Split.Gather<float>(values.Span, size, good), Split.Gather<float>(numbers.Span, 1, good));
        if (inputs.Type == Bytes)
            foreach (ref var value in values.Span) value /= byte.MaxValue;
        return new(values, numbers, new(SizesOf(inputs.Shape), isClass ? DataDescription.MaxClasses : 0));

        string? FaultOf(int sample) => Fault(values.Span.Slice(sample * size, size), numbers.Span[sample], isClass) is { } fault
            ? $"sample {sample} {fault}"
            : null;
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
        if (isClass)
        {
            return ArraySet.IsClass(target, DataDescription.MaxClasses)
                ? null
                : $"has the class {target}; allowed: whole numbers from 0 to {DataDescription.MaxClasses - 1}";
        }
        return float.IsFinite(target) ? null : $"has the target {target}; a finite number is expected";
    }
}

// An array in the format of NumPy (numpy.lib.format, versions 1.0 to 3.0): numbers of the types u1, i4, i8, f2, f4 and f8,
// little-endian, last dimension fastest. The checked header and the file's length bound what is allocated.
/// <param name="Type">The type of the numbers, as NumPy writes it.</param>
/// <param name="Shape">Sizes of the dimensions, slowest first: 1 to <see cref="MaxRank"/> sizes, each at least 1.</param>
/// <param name="Values">The values, rounded to float32; the caller may change them.</param>
internal sealed partial record NpyFile(string Name, string Type, IReadOnlyList<int> Shape, Memory<float> Values)
{
    public const int MaxValues = 1 << 28;
    public const int MaxRank = 8;

    // NumPy's own limit for untrusted files.
    private const int MaxHeader = 10_000;
    private const int Chunk = 1 << 16;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    private static readonly Dictionary<string, (int Bytes, Conversion Convert)> _types = new(StringComparer.Ordinal)
    {
        ["|u1"] = (1, Convert<byte>),
        ["<i4"] = (4, Convert<int>),
        ["<i8"] = (8, Convert<long>),
        ["<f2"] = (2, Convert<Half>),
        ["<f4"] = (4, Convert<float>),
        ["<f8"] = (8, Convert<double>),
    };

    private delegate void Conversion(ReadOnlySpan<byte> bytes, Span<float> values);

    public static NpyFile Read(string path) => UserFile.Read(path, () =>
    {
        using var stream = File.OpenRead(path);
        return Read(stream, path);
    });

    public static NpyFile Read(Stream stream, string name)
    {
        var (text, start) = ReadHeader(stream, name);
        var (type, shape) = ParseHeader(text, name);
        var count = shape.Aggregate(1, (product, dimension) => product * dimension);
        var (size, convert) = _types[type];
        var announced = start + ((long)count * size);
        if (stream.Length != announced)
        {
            throw Malformed(name, start,
                $"the header announces {count} values of type {type}, a file of {announced} bytes; it has {stream.Length}");
        }
        var values = new float[count];
        var buffer = new byte[Math.Min(count, Chunk) * size];
        for (var first = 0; first < count; first += Chunk)
        {
            var part = values.AsSpan(first, Math.Min(Chunk, count - first));
            var bytes = buffer.AsSpan(0, part.Length * size);
            stream.ReadExactly(bytes);
            convert(bytes, part);
        }
        return new(name, type, shape, values);
    }

    private static (string Text, int Start) ReadHeader(Stream stream, string name)
    {
        Span<byte> start = stackalloc byte[12];
        var read = stream.ReadAtLeast(start, 10, throwOnEndOfStream: false);
        if (read < 10 || !start.StartsWith(Magic)) throw Malformed(name, 0, "this is no array of NumPy (.npy)");
        var (major, minor) = (start[6], start[7]);
        if (major is < 1 or > 3 || minor != 0)
            throw Malformed(name, 6, $"this is version {major}.{minor} of the format; allowed: 1.0, 2.0, 3.0");
        var prefix = major == 1 ? 10 : 12;
        if (read < prefix) throw Malformed(name, read, "the file ends within its header");
        var length = major == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        if (length > MaxHeader) throw Malformed(name, 8, $"the header has {length} bytes; at most {MaxHeader} are allowed");
        var header = new byte[length];
        stream.Position = prefix;
        if (stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length)
            throw Malformed(name, stream.Length, "the file ends within its header");
        return (major == 3 ? Encoding.UTF8.GetString(header) : Encoding.Latin1.GetString(header), prefix + (int)length);
    }

    private static (string Type, int[] Shape) ParseHeader(string text, string name)
    {
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Dictionary().Match(text) is not { Success: true } whole)
        {
            const string Expected = "{'descr': ..., 'fortran_order': ..., 'shape': ...}";
            throw Malformed(name, 8, $"the header is {Shown.Of(text.Trim())}; expected: {Expected}");
        }
        foreach (var (key, value) in whole.Groups["key"].Captures.Zip(whole.Groups["value"].Captures))
            if (!entries.TryAdd(key.Value, value.Value)) throw Malformed(name, 8, $"the header has {Shown.Of(key.Value)} twice");
        if (!entries.Keys.Order(StringComparer.Ordinal).SequenceEqual(["descr", "fortran_order", "shape"]))
            throw Malformed(name, 8, $"the header has {Shown.Of(string.Join(", ", entries.Keys))}; expected: descr, fortran_order, shape");
        var type = entries["descr"].Trim('\'');
        if (!_types.ContainsKey(type))
        {
            throw Malformed(name, 8,
                $"the numbers are of type {Shown.Of(type)}; allowed: {string.Join(", ", _types.Keys)}. In Python: array.astype('<f4')");
        }
        return entries["fortran_order"] == "False"
            ? (type, ParseShape(entries["shape"], name))
            : throw Malformed(name, 8, "the first dimension is the fastest (fortran_order). In Python: numpy.ascontiguousarray(array)");
    }

    private static int[] ParseShape(string text, string name)
    {
        if (Tuple().Match(text) is not { Success: true } tuple)
            throw Malformed(name, 8, $"the shape is {Shown.Of(text)}; expected: a tuple of numbers");
        var sizes = tuple.Groups["size"].Captures;
        if (sizes.Count is < 1 or > MaxRank) throw Malformed(name, 8, $"there are {sizes.Count} dimensions; allowed: 1 to {MaxRank}");
        var shape = new int[sizes.Count];
        var product = 1L;
        for (var i = 0; i < shape.Length; i++)
        {
            var size = sizes[i].Value;
            // Both factors are below 2^31, so the product cannot overflow before this check.
            if (!int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out shape[i])
                || (product *= shape[i]) is < 1 or > MaxValues)
                throw Malformed(name, 8, $"dimension {i} is {Shown.Of(size)}; each must be at least 1 and the product at most {MaxValues}");
        }
        return shape;
    }

    private static void Convert<T>(ReadOnlySpan<byte> bytes, Span<float> values) where T : struct, INumberBase<T>
    {
        var numbers = MemoryMarshal.Cast<byte, T>(bytes);
        for (var i = 0; i < values.Length; i++) values[i] = float.CreateTruncating(numbers[i]);
    }

    private static DataException Malformed(string name, long offset, string what) => new($"{name}, byte {offset}: {what}.");

    // A Python literal; NumPy writes no other parts than these.
    [GeneratedRegex(@"\A\{\s*(?:'(?<key>[^']*)'\s*:\s*(?<value>'[^']*'|True|False|\([^()]*\))\s*(?:,\s*|(?=\})))+\}\s*\z")]
    private static partial Regex Dictionary();

    [GeneratedRegex(@"\A\(\s*(?:(?<size>[0-9]+)\s*(?:,\s*|(?=\))))*\)\z")]
    private static partial Regex Tuple();
}
