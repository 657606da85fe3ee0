using System.Runtime.InteropServices;
using Distributed.Jobs.State;

namespace Distributed.Worker.Training;

/// <summary>Initial parameters and buffers from a safetensors file, with the names of PyTorch's state_dict.</summary>
internal static class InitialParameters
{
    private const int MaxNamed = 40;

    /// <summary>Overwrites the tensors that the file holds, in a replica that has applied nothing; others keep their values.</summary>
    /// <param name="isStrict">Whether the file must hold exactly the tensors of the model, in their shapes.</param>
    /// <returns>For the user: which tensors were imported.</returns>
    /// <exception cref="InvalidDataException">The file does not fit the model.</exception>
    public static string Import(Replica replica, ReadOnlyMemory<byte> file, bool isStrict)
    {
        var unused = Safetensors.Read(file).Tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        List<(TensorLayout Layout, float[] Values)> imported = [];
        List<string> missing = [];
        foreach (var layout in replica.Layout)
        {
            var expected = $"{layout.Name} [{string.Join(",", layout.Shape)}]";
            if (!unused.Remove(layout.Name, out var tensor)) missing.Add(expected);
            else if (tensor.Shape.SequenceEqual(layout.Shape)) imported.Add((layout, Values(tensor, layout)));
            else missing.Add($"{expected} (the file has [{string.Join(",", tensor.Shape)}])");
        }
        var summary = Describe(imported.Count, missing, [.. unused.Keys]);
        if (imported.Count == 0 || (isStrict && missing.Count + unused.Count > 0))
            throw new InvalidDataException($"the initial parameters do not fit the model: {summary}"
                + (imported.Count == 0 ? "" : ". With --init-strict false, the tensors that fit are imported"));
        replica.Overwrite(imported);
        return $"Initial parameters: {summary}";
    }

    private static string Describe(int imported, List<string> missing, List<string> unknown)
    {
        var all = imported + missing.Count;
        var text = imported == all ? $"all {all} tensors are in the file"
            : $"{imported} of {all} tensors are in the file; missing, or of another shape: {Listed(missing)}";
        return unknown.Count == 0 ? text : $"{text}; in the file, but not in the model: {Listed(unknown)}";
    }

    private static string Listed(List<string> names) =>
        string.Join(", ", names.Take(MaxNamed)) + (names.Count > MaxNamed ? $" and {names.Count - MaxNamed} more" : "");

    private static float[] Values(TensorData tensor, TensorLayout layout)
    {
        var bytes = tensor.Data.Span;
        var isInteger = layout.Kind == TensorKind.IntegerBuffer;
        var values = (isInteger, tensor.DType) switch
        {
            (true, "I64") => Convert(MemoryMarshal.Cast<byte, long>(bytes), n => n),
            (true, "I32") => Convert(MemoryMarshal.Cast<byte, int>(bytes), n => n),
            (false, "F32") => MemoryMarshal.Cast<byte, float>(bytes).ToArray(),
            (false, "F64") => Convert(MemoryMarshal.Cast<byte, double>(bytes), x => (float)x),
            (false, "F16") => Convert(MemoryMarshal.Cast<byte, Half>(bytes), x => (float)x),
            (false, "BF16") => Convert(MemoryMarshal.Cast<byte, ushort>(bytes), x => BitConverter.Int32BitsToSingle(x << 16)),
            _ => throw new InvalidDataException($"the initial parameters have {tensor.Name} of {tensor.DType}; allowed: "
                + (isInteger ? "I64 or I32" : "F32, F16, BF16 or F64")),
        };
        if (isInteger && Array.Find(values, n => Math.Abs(n) > FlatModel.LargestExactInteger) is var large and not 0)
            throw new InvalidDataException(
                $"the initial parameters have {large} in {tensor.Name}; allowed: at most {FlatModel.LargestExactInteger}");
        return values;
    }

    private static float[] Convert<T>(ReadOnlySpan<T> numbers, Func<T, float> convert)
    {
        var values = new float[numbers.Length];
        for (var i = 0; i < values.Length; i++) values[i] = convert(numbers[i]);
        return values;
    }
}
