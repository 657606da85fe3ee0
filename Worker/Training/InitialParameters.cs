using System.Runtime.InteropServices;
using Distributed.Jobs.State;

namespace Distributed.Worker.Training;

/// <summary>Parameters and buffers that training begins with, out of a file instead of the seed: a safetensors file with the names of PyTorch's state_dict.</summary>
internal static class InitialParameters
{
    private const int MaxNamed = 40;

    /// <summary>Puts what the file holds into a replica that nothing was applied to yet. What it does not hold stays as it was drawn from the seed.</summary>
    /// <param name="file">The file. Floats may be F32, F16, BF16 or F64, whole numbers I64 or I32.</param>
    /// <param name="isStrict">Whether it must hold exactly the tensors of the model, in their shapes.</param>
    /// <returns>What was taken and what was not, in a user's words.</returns>
    /// <exception cref="InvalidDataException">It does not fit.</exception>
    /// <exception cref="SafetensorsException">It is no such file.</exception>
    public static string Import(Replica replica, ReadOnlyMemory<byte> file, bool isStrict)
    {
        var given = Safetensors.Read(file).Tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        List<(TensorLayout Layout, float[] Values)> taken = [];
        List<string> without = [];
        foreach (var layout in replica.Layout)
        {
            if (!given.Remove(layout.Name, out var tensor)) without.Add($"{layout.Name} [{Text(layout.Shape)}]");
            else if (!tensor.Shape.SequenceEqual(layout.Shape)) without.Add($"{layout.Name} [{Text(layout.Shape)}] (the file has [{Text(tensor.Shape)}])");
            else taken.Add((layout, Values(tensor, layout)));
        }
        if (taken.Count == 0 || (isStrict && without.Count + given.Count > 0))
            throw new InvalidDataException($"the initial parameters do not fit the model: {Describe(taken.Count, without, [.. given.Keys])}"
                + (taken.Count == 0 ? "" : ". With --init-strict false, what fits is taken"));
        replica.Overwrite(taken);
        return $"Initial parameters: {Describe(taken.Count, without, [.. given.Keys])}";
    }

    private static string Describe(int taken, List<string> without, List<string> unknown)
    {
        var all = taken + without.Count;
        var text = taken == all ? $"all {all} tensors are in the file" : $"{taken} of {all} tensors are in the file; not in it, or of another shape: {Named(without)}";
        return unknown.Count == 0 ? text : $"{text}; in the file, but not in the model: {Named(unknown)}";
    }

    private static string Named(List<string> names) =>
        string.Join(", ", names.Take(MaxNamed)) + (names.Count > MaxNamed ? $" and {names.Count - MaxNamed} more" : "");

    private static string Text(IEnumerable<long> shape) => string.Join(",", shape);

    private static float[] Values(TensorData tensor, TensorLayout layout)
    {
        var bytes = tensor.Data.Span;
        float[]? values = (layout.Kind == TensorKind.IntegerBuffer, tensor.DType) switch
        {
            (true, "I64") => Convert(MemoryMarshal.Cast<byte, long>(bytes), n => n),
            (true, "I32") => Convert(MemoryMarshal.Cast<byte, int>(bytes), n => n),
            (false, "F32") => MemoryMarshal.Cast<byte, float>(bytes).ToArray(),
            (false, "F64") => Convert(MemoryMarshal.Cast<byte, double>(bytes), x => (float)x),
            (false, "F16") => Convert(MemoryMarshal.Cast<byte, Half>(bytes), x => (float)x),
            (false, "BF16") => Convert(MemoryMarshal.Cast<byte, ushort>(bytes), x => BitConverter.Int32BitsToSingle(x << 16)),
            _ => null,
        };
        if (values is null)
            throw new InvalidDataException($"the initial parameters have {tensor.Name} of {tensor.DType}; allowed: {(layout.Kind == TensorKind.IntegerBuffer ? "I64 or I32" : "F32, F16, BF16 or F64")}");
        if (layout.Kind == TensorKind.IntegerBuffer && Array.Find(values, n => Math.Abs(n) > FlatModel.LargestExactInteger) is var large and not 0)
            throw new InvalidDataException($"the initial parameters have {large} in {tensor.Name}; at most {FlatModel.LargestExactInteger} is allowed");
        return values;
    }

    private static float[] Convert<T>(ReadOnlySpan<T> numbers, Func<T, float> convert)
    {
        var values = new float[numbers.Length];
        for (var i = 0; i < values.Length; i++) values[i] = convert(numbers[i]);
        return values;
    }
}
