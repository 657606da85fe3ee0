using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Distributed.Core;
using Distributed.Jobs;

namespace Distributed.Worker.Data;

/// <summary>
/// An array of NumPy in its own format (numpy.lib.format, versions 1.0 to 3.0): numbers of the types u1, i4, i8, f2, f4 and f8, little-endian,
/// the last dimension fastest. Nothing is allocated but what a checked header and the file's length allow.
/// </summary>
internal sealed partial class NpyFile
{
    /// <summary>The most values a file may hold.</summary>
    public const int MaxValues = 1 << 28;

    /// <summary>The most dimensions.</summary>
    public const int MaxRank = 8;

    // What NumPy reads itself, where it is not told to trust the file.
    private const int MaxHeader = 10_000;
    private const int Chunk = 1 << 16;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    private static readonly Dictionary<string, int> _sizes = new(StringComparer.Ordinal) { ["|u1"] = 1, ["<i4"] = 4, ["<i8"] = 8, ["<f2"] = 2, ["<f4"] = 4, ["<f8"] = 8 };

    private NpyFile(string name, string type, int[] shape, float[] values) => (Name, Type, Shape, Values) = (name, type, shape, values);

    public string Name { get; }

    /// <summary>The type of its numbers, as NumPy writes it.</summary>
    public string Type { get; }

    /// <summary>Sizes of the dimensions, slowest first; at least one of them, each at least 1.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>The values, rounded to float32; the caller's to change.</summary>
    public Memory<float> Values { get; }

    /// <exception cref="DataException">It cannot be read or is malformed: what was found, at which byte.</exception>
    public static NpyFile Read(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return Read(stream, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a seekable stream to its end; <paramref name="name"/> stands for it in messages.</summary>
    /// <exception cref="DataException">It is malformed: what was found, at which byte.</exception>
    public static NpyFile Read(Stream stream, string name)
    {
        var (text, start) = ReadHeader(stream, name);
        var (type, shape) = ParseHeader(text, name);
        var count = shape.Aggregate(1, (product, dimension) => product * dimension);
        var announced = start + ((long)count * _sizes[type]);
        if (stream.Length != announced)
            throw Malformed(name, start, $"the header announces {count} values of type {type}, a file of {announced} bytes; it has {stream.Length}");
        var values = new float[count];
        var buffer = new byte[Math.Min(count, Chunk) * _sizes[type]];
        for (var first = 0; first < count; first += Chunk)
        {
            var part = values.AsSpan(first, Math.Min(Chunk, count - first));
            var bytes = buffer.AsSpan(0, part.Length * _sizes[type]);
            stream.ReadExactly(bytes);
            Convert(bytes, type, part);
        }
        return new(name, type, shape, values);
    }

    private static (string Text, int Start) ReadHeader(Stream stream, string name)
    {
        Span<byte> start = stackalloc byte[12];
        var read = stream.ReadAtLeast(start, 10, throwOnEndOfStream: false);
        if (read < 10 || !start.StartsWith(Magic)) throw Malformed(name, 0, "this is no array of NumPy (.npy)");
        var (major, minor) = (start[6], start[7]);
        if (major is < 1 or > 3 || minor != 0) throw Malformed(name, 6, $"this is version {major}.{minor} of the format; allowed: 1.0, 2.0, 3.0");
        var prefix = major == 1 ? 10 : 12;
        if (read < prefix) throw Malformed(name, read, "the file ends within its header");
        var length = major == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        if (length > MaxHeader) throw Malformed(name, 8, $"the header has {length} bytes; at most {MaxHeader} are allowed");
        var header = new byte[length];
        stream.Position = prefix;
        if (stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length) throw Malformed(name, stream.Length, "the file ends within its header");
        return (major == 3 ? Encoding.UTF8.GetString(header) : Encoding.Latin1.GetString(header), prefix + (int)length);
    }

    private static (string Type, int[] Shape) ParseHeader(string text, string name)
    {
        var entries = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Dictionary().Match(text) is not { Success: true } whole) throw Malformed(name, 8, $"the header is {Shown.Of(text.Trim())}; expected: {{'descr': ..., 'fortran_order': ..., 'shape': ...}}");
        for (var i = 0; i < whole.Groups["key"].Captures.Count; i++)
            if (!entries.TryAdd(whole.Groups["key"].Captures[i].Value, whole.Groups["value"].Captures[i].Value)) throw Malformed(name, 8, $"the header has {Shown.Of(whole.Groups["key"].Captures[i].Value)} twice");
        if (!entries.Keys.Order(StringComparer.Ordinal).SequenceEqual(["descr", "fortran_order", "shape"]))
            throw Malformed(name, 8, $"the header has {Shown.Of(string.Join(", ", entries.Keys))}; expected: descr, fortran_order, shape");
        var type = entries["descr"].Trim('\'');
        if (!_sizes.ContainsKey(type)) throw Malformed(name, 8, $"the numbers are of type {Shown.Of(type)}; allowed: {string.Join(", ", _sizes.Keys)}. In Python: array.astype('<f4')");
        return entries["fortran_order"] switch
        {
            "False" => (type, ParseShape(entries["shape"], name)),
            _ => throw Malformed(name, 8, "the first dimension is the fastest (fortran_order). In Python: numpy.ascontiguousarray(array)"),
        };
    }

    private static int[] ParseShape(string text, string name)
    {
        if (Tuple().Match(text) is not { Success: true } tuple) throw Malformed(name, 8, $"the shape is {Shown.Of(text)}; expected: a tuple of numbers");
        var sizes = tuple.Groups["size"].Captures;
        if (sizes.Count is < 1 or > MaxRank) throw Malformed(name, 8, $"there are {sizes.Count} dimensions; allowed: 1 to {MaxRank}");
        var shape = new int[sizes.Count];
        var product = 1L;
        for (var i = 0; i < shape.Length; i++)
        {
            // Both factors are below 2^31, so the product cannot overflow before it is refused.
            if (!int.TryParse(sizes[i].Value, NumberStyles.None, CultureInfo.InvariantCulture, out shape[i]) || (product *= shape[i]) is < 1 or > MaxValues)
                throw Malformed(name, 8, $"dimension {i} is {Shown.Of(sizes[i].Value)}; each must be at least 1 and the product at most {MaxValues}");
        }
        return shape;
    }

    private static void Convert(ReadOnlySpan<byte> bytes, string type, Span<float> values)
    {
        switch (type)
        {
            case "|u1":
                for (var i = 0; i < values.Length; i++) values[i] = bytes[i];
                break;
            case "<i4":
                var ints = MemoryMarshal.Cast<byte, int>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = ints[i];
                break;
            case "<i8":
                var longs = MemoryMarshal.Cast<byte, long>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = longs[i];
                break;
            case "<f2":
                var halves = MemoryMarshal.Cast<byte, Half>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = (float)halves[i];
                break;
            case "<f4":
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(values);
                break;
            default:
                var doubles = MemoryMarshal.Cast<byte, double>(bytes);
                for (var i = 0; i < values.Length; i++) values[i] = (float)doubles[i];
                break;
        }
    }

    private static DataException Malformed(string name, long offset, string what) => new($"{name}, byte {offset}: {what}.");

    // A literal of Python's, of which NumPy writes no other parts than these.
    [GeneratedRegex(@"\A\{\s*(?:'(?<key>[^']*)'\s*:\s*(?<value>'[^']*'|True|False|\([^()]*\))\s*(?:,\s*|(?=\})))+\}\s*\z")]
    private static partial Regex Dictionary();

    [GeneratedRegex(@"\A\(\s*(?:(?<size>[0-9]+)\s*(?:,\s*|(?=\))))*\)\z")]
    private static partial Regex Tuple();
}
